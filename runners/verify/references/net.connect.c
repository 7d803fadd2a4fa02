/* connect over loopback TCP to a listener of the same thread, accept, close both ends, the accepted
 * one first; agrees within 5 % at protocol=tcp */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "reference.h"

static struct sockaddr_in place = {.sin_family = AF_INET};
static socklen_t length = sizeof place;
static int listener;

static void setup(void)
{
    const struct linger none = {1, 0};
    listener = socket(AF_INET, SOCK_STREAM, 0);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    if (bind(listener, (struct sockaddr *)&place, length) != 0 || listen(listener, 128) != 0
        || getsockname(listener, (struct sockaddr *)&place, &length) != 0)
        die("listen");
}

NOTHING_AROUND

static void once(long n)
{
    while (n-- > 0) {
        const int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(end, (struct sockaddr *)&place, length) != 0)
            die("connect");
        const int other = accept(listener, NULL, NULL);
        if (other < 0)
            die("accept");
        close(other);
        close(end);
    }
}
