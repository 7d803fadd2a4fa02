/* connect to a server of one epoll loop in another process on the same CPU, ask in 4 bytes and read 4;
 * agrees within 10 % at model=epoll, image=static, cpu=same, until=reply, held=1 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "reference.h"

enum { MOST = 64 };

static struct sockaddr_in place;
static int client[MOST], held;

static void watch(int set, int fd)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted) != 0)
        die("epoll_ctl");
}

static void serve(int listener)
{
    struct epoll_event events[MOST];
    char message[4];
    const int set = epoll_create1(0);
    if (set < 0)
        die("epoll_create1");
    watch(set, listener);
    for (;;) {
        const int ready = epoll_wait(set, events, MOST, -1);
        for (int i = 0; i < ready; i++) {
            const int fd = events[i].data.fd;
            if (fd == listener)
                watch(set, accept(listener, NULL, NULL));
            else if (read(fd, message, sizeof message) != sizeof message)
                close(fd);
            else if (write(fd, message, sizeof message) != sizeof message)
                die("reply");
        }
    }
}

static void first_reply(int fd)
{
    char message[4] = "ask";
    if (connect(fd, (struct sockaddr *)&place, sizeof place) != 0
        || write(fd, message, sizeof message) != sizeof message
        || read(fd, message, sizeof message) != sizeof message)
        die("first reply");
}

static int unconnected(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        die("socket");
    return fd;
}

static void setup(void)
{
    const struct linger none = {1, 0};
    socklen_t length = sizeof place;
    const int listener = unconnected();
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (setsockopt(listener, SOL_SOCKET, SO_LINGER, &none, sizeof none) != 0
        || bind(listener, (struct sockaddr *)&place, length) != 0 || listen(listener, MOST) != 0
        || getsockname(listener, (struct sockaddr *)&place, &length) != 0)
        die("listen");
    const pid_t server = fork();
    if (server < 0)
        die("fork");
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener);
    }
    close(listener);
    held = unconnected();
    first_reply(held);
}

static void before(long n)
{
    if (n > MOST)
        die("too many for one batch");
    for (long i = 0; i < n; i++)
        client[i] = unconnected();
}

static void once(long n)
{
    for (long i = 0; i < n; i++)
        first_reply(client[i]);
}

static void after(long n)
{
    char rest[4];
    for (long i = 0; i < n; i++) {
        shutdown(client[i], SHUT_WR);
        while (read(client[i], rest, sizeof rest) > 0)
            ;
        close(client[i]);
    }
}
