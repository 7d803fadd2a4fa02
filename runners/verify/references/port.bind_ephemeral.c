/* bind a TCP socket to a port of the system's choice, beside many that are bound;
 * agrees within 10 % at protocol=tcp, ip=4, bound_ports=2048 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "reference.h"

static struct sockaddr_in any_port = {.sin_family = AF_INET};
static int *more;

static int unbound(void)
{
    const int one = socket(AF_INET, SOCK_STREAM, 0);
    if (one < 0)
        die("socket");
    return one;
}

static void bind_one(int one)
{
    if (bind(one, (struct sockaddr *)&any_port, sizeof any_port) != 0)
        die("bind");
}

static void setup(void)
{
    any_port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (long i = given("level", 2048); i > 0; i--)
        bind_one(unbound());
    more = calloc((size_t)atol(argument[1]), sizeof *more);
    if (!more)
        die("calloc");
}

static void before(long n)
{
    while (n-- > 0)
        more[n] = unbound();
}

static void once(long n)
{
    while (n-- > 0)
        bind_one(more[n]);
}

static void after(long n)
{
    while (n-- > 0)
        close(more[n]);
}
