/* A parent process of known size and linking. It obeys requests on descriptor 0 and replies on 1:
 *     parent OPERATION PROGRAM
 * End of file ends it, and with it all its children. */
#include "process/parent.h"
#include "os/mark.h"
#include "core/sentinel.h"

static micro_parent_t parent;

static int64_t batch(const micro_operation_t *operation, uint64_t n, uint64_t command,
                     micro_reply_t *reply)
{
    micro_sense_t before = {0, 0, 0}, after = {0, 0, 0};
    uint64_t done = 0;
    int64_t status = operation->prepare ? operation->prepare(&parent, n) : 0;
    if (status == 0) {
        if (command == MICRO_SLICE)
            micro_sense(&before);
        if (command & MICRO_MARKED)
            micro_mark(MICRO_LOOP_BEGINS);
        const int64_t start = micro_now_ns();
        status = operation->loop(&parent, n, &done);
        reply->elapsed_ns = micro_now_ns() - start;
        reply->began_ns = start;
        if (command & MICRO_MARKED)
            micro_mark(MICRO_LOOP_ENDS);
        if (command == MICRO_SLICE)
            micro_sense(&after);
    }
    const int64_t undone = operation->restore ? operation->restore(&parent, n) : 0;
    reply->after = done;
    reply->senses_ns[0] = before.chain_ns;
    reply->senses_ns[1] = before.width_ns;
    reply->senses_ns[2] = after.chain_ns;
    reply->senses_ns[3] = after.width_ns;
    return status ? status : undone;
}

static void answer(const micro_operation_t *operation, const micro_request_t *request,
                   micro_reply_t *reply)
{
    parent.call = NULL;
    if (request->command == MICRO_GROW)
        reply->status = operation->grow(&parent, request->argument);
    else
        reply->status = batch(operation, request->argument, request->command, reply);
    reply->reached = parent.held;
    if (parent.call)
        strncpy(reply->call, parent.call, sizeof reply->call - 1);
}

int main(int argc, char **argv)
{
    const micro_operation_t *operation = argc == 3 ? micro_operation(argv[1]) : NULL;
    micro_request_t request;
    if (!operation)
        return 2;
    micro_parent_open(&parent, argv[2]);
    micro_die_with_parent();
    fcntl(0, F_SETFD, FD_CLOEXEC);
    fcntl(1, F_SETFD, FD_CLOEXEC);
    while (read(0, &request, sizeof request) == sizeof request) {
        /* Not static: that spread what fork() writes to over one more page, which each child copies. */
        micro_reply_t replies[MICRO_TIMES_MAX];
        const size_t times = request.times < MICRO_TIMES_MAX ? request.times : MICRO_TIMES_MAX;
        size_t done = 0;
        memset(replies, 0, sizeof replies);
        do {
            answer(operation, &request, &replies[done]);
        } while (replies[done++].status == 0 && done < times);
        if (write(1, replies, done * sizeof *replies) != (ssize_t)(done * sizeof *replies))
            break;
    }
    micro_parent_close(&parent);
    return 0;
}
