/* 64 TCP connections with a request of 4 bytes under way on each, from four processes to one process a CPU
 * that answers in 4 bytes from a loop of epoll, all of them on one CPU; agrees within 10 % at
 * clients=4, peer=process, cpu=same, connections=64 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "reference.h"

enum { CONNECTIONS = 64, CLIENTS = 4, EACH = CONNECTIONS / CLIENTS };

static struct {
    long wanted;
    atomic_int busy;
} *shared;
static int asker[CONNECTIONS], answerer[CONNECTIONS], start[CLIENTS][2], finished[2];

static void four(ssize_t moved, const char *what)
{
    if (moved != 4)
        die(what);
}

static void one(ssize_t moved, const char *what)
{
    if (moved != 1)
        die(what);
}

static void answer(int self, int servers)
{
    struct epoll_event events[CONNECTIONS];
    char message[4];
    const int set = epoll_create1(0);
    for (int i = self; i < CONNECTIONS; i += servers) {
        struct epoll_event wanted = {.events = EPOLLIN, .data = {.fd = answerer[i]}};
        if (epoll_ctl(set, EPOLL_CTL_ADD, answerer[i], &wanted) != 0)
            die("epoll_ctl");
    }
    for (;;) {
        const int ready = epoll_wait(set, events, CONNECTIONS, -1);
        for (int i = 0; i < ready; i++) {
            four(read(events[i].data.fd, message, sizeof message), "read a request");
            four(write(events[i].data.fd, message, sizeof message), "answer");
        }
    }
}

static void ask(int self)
{
    char message[4] = "", token;
    for (;;) {
        one(read(start[self][0], &token, 1), "start");
        const long wanted = shared->wanted / CLIENTS + (self < shared->wanted % CLIENTS);
        long asked = 0;
        for (; asked < EACH && asked < wanted; asked++)
            four(write(asker[self + asked * CLIENTS], message, sizeof message), "ask");
        for (long i = 0; i < wanted; i++) {
            const int fd = asker[self + i % EACH * CLIENTS];
            four(read(fd, message, sizeof message), "read a response");
            if (asked < wanted) {
                four(write(fd, message, sizeof message), "ask");
                asked++;
            }
        }
        if (atomic_fetch_sub(&shared->busy, 1) == 1)
            one(write(finished[1], message, 1), "finish");
    }
}

static void connect_all(void)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    const struct linger none = {1, 0};
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (setsockopt(listener, SOL_SOCKET, SO_LINGER, &none, sizeof none) != 0
        || bind(listener, (struct sockaddr *)&place, length) != 0 || listen(listener, 1) != 0
        || getsockname(listener, (struct sockaddr *)&place, &length) != 0)
        die("listen");
    for (int i = 0; i < CONNECTIONS; i++) {
        asker[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (setsockopt(asker[i], SOL_SOCKET, SO_LINGER, &none, sizeof none) != 0
            || connect(asker[i], (struct sockaddr *)&place, length) != 0)
            die("connect");
        answerer[i] = accept(listener, NULL, NULL);
        if (answerer[i] < 0)
            die("accept");
    }
    close(listener);
}

static void setup(void)
{
    const int servers = (int)sysconf(_SC_NPROCESSORS_ONLN);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(finished) != 0)
        die("setup");
    for (int i = 0; i < CLIENTS; i++)
        if (pipe(start[i]) != 0)
            die("pipe");
    connect_all();
    for (int i = 0; i < servers + CLIENTS; i++) {
        const pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child > 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (i < servers)
            answer(i, servers);
        ask(i - servers);
    }
}

NOTHING_AROUND

static void once(long n)
{
    char token = 0;
    shared->wanted = n;
    atomic_store(&shared->busy, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        one(write(start[i][1], &token, 1), "start");
    one(read(finished[0], &token, 1), "finish");
}
