/* a byte to another process over loopback TCP, on the same CPU, and a byte back;
 * agrees within 5 % at protocol=tcp, peer=process, cpu=same, size=1 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "reference.h"

static int end;

static void setup(void)
{
    struct sockaddr_in place = {.sin_family = AF_INET};
    socklen_t length = sizeof place;
    const struct linger none = {1, 0};
    const int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    char byte;
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
    setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(end, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    setsockopt(other, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(end);
        while (read(other, &byte, 1) == 1 && write(other, &byte, 1) == 1)
            ;
        _exit(0);
    }
    close(other);
}

NOTHING_AROUND

static void once(long n)
{
    char byte = 'b';
    while (n-- > 0)
        if (write(end, &byte, 1) != 1 || read(end, &byte, 1) != 1)
            die("round trip");
}
