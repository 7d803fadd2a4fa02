/* messages to another process over loopback TCP, on the same CPU, until it has read them all;
 * agrees within 10 % at transport=tcp, peer=process, cpu=same, size=65536 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "reference.h"

static int end, told[2], done[2];
static size_t size;
static char *message;

/* The other process: reads as many bytes as it is told of, then says so. */
static void take(int from)
{
    size_t wanted;
    while (read(told[0], &wanted, sizeof wanted) == sizeof wanted) {
        while (wanted > 0) {
            const ssize_t got = read(from, message, size);
            if (got <= 0)
                _exit(1);
            wanted -= (size_t)got;
        }
        if (write(done[1], "d", 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static void setup(void)
{
    struct sockaddr_in place = {.sin_family = AF_INET};
    socklen_t length = sizeof place;
    const struct linger none = {1, 0};
    const int buffer = 131072, listener = socket(AF_INET, SOCK_STREAM, 0);
    size = (size_t)given("level", 65536);
    message = malloc(size);
    if (message == NULL || pipe(told) != 0 || pipe(done) != 0)
        die("pipe");
    memset(message, 1, size);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&place, length) != 0 || listen(listener, 1) != 0
        || getsockname(listener, (struct sockaddr *)&place, &length) != 0)
        die("listen");
    end = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(end, (struct sockaddr *)&place, length) != 0)
        die("connect");
    const int other = accept(listener, NULL, NULL);
    if (other < 0)
        die("accept");
    setsockopt(end, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    setsockopt(end, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    setsockopt(other, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(end);
        close(told[1]);
        take(other);
    }
    close(other);
}

NOTHING_AROUND

static void once(long n)
{
    const size_t all = (size_t)n * size;
    const int yes = 1, no = 0;
    char byte;
    if (write(told[1], &all, sizeof all) != sizeof all)
        die("tell");
    setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &no, sizeof no);
    while (n-- > 0)
        for (size_t sent = 0; sent < size;) {
            const ssize_t moved = write(end, message + sent, size - sent);
            if (moved < 0)
                die("write");
            sent += (size_t)moved;
        }
    setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (read(done[0], &byte, 1) != 1)
        die("read");
}
