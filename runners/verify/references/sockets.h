/* idle UDP sockets, and one that holds a datagram to itself */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int idle_socket(void)
{
    const int one = socket(AF_INET, SOCK_DGRAM, 0);
    if (one < 0)
        die("socket");
    return one;
}

static int ready_socket(void)
{
    struct sockaddr_in self = {.sin_family = AF_INET};
    socklen_t length = sizeof self;
    const int one = idle_socket();
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(one, (struct sockaddr *)&self, length) != 0
        || getsockname(one, (struct sockaddr *)&self, &length) != 0
        || sendto(one, "!", 1, 0, (struct sockaddr *)&self, length) != 1)
        die("loopback");
    return one;
}
