/* A small server of known size and linking:
 *     server MODEL        listens, tells its port on descriptor 1 and serves until it is ended
 *     server converse     serves the connection that is its descriptor 0 */
#include "server/models.h"

int main(int argc, char **argv)
{
    static micro_server_t server;
    int port = 0;
    if (argc != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(argv[1], MICRO_CONVERSE) == 0) {
        micro_converse(0);
        return 0;
    }
    server.model = micro_server_model(argv[1]);
    if (!server.model)
        return 2;
    micro_die_with_parent();
    server.program = argv[0];
    server.most = micro_raise_descriptor_limit();
    if (server.most < 0)
        micro_server_dies("getrlimit", (int)-server.most);
    server.listener = micro_listen_at(MICRO_BACKLOG, 0, 1, 1, &port);
    if (server.listener < 0)
        micro_server_dies("listen", -server.listener);
    server.model->open(&server);
    micro_server_tells(port, NULL, 0);
    server.model->serve(&server);
    return 0;
}
