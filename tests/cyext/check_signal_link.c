/* A peer that answers signals is told to leave and does, whichever C library waits for them. */
#define _GNU_SOURCE
#include <stdio.h>

#include "ipc/link.h"
#include "ipc/mechanisms.h"

enum { ROUND_TRIPS = 100, TIME_LIMIT_S = 20 };

static const char *answers_and_leaves(int kind)
{
    micro_link_t link;
    micro_peers_t peers;
    micro_link_init(&link, &micro_signal);
    micro_peers_init(&peers, kind);
    peers.body = micro_link_echo;
    peers.argument = &link;
    if (micro_peers_open(&peers) || micro_link_open(&link, &peers, NULL)
        || micro_peers_reserve(&peers, 1) || micro_peers_add(&peers))
        return "no peer";
    for (int i = 0; i < ROUND_TRIPS; i++)
        if (micro_link_round_trip(&link))
            return link.call[MICRO_OWNER];
    if (micro_peers_close(&peers))
        return peers.call;
    micro_link_close(&link);
    return NULL;
}

int main(void)
{
    const char *failed = NULL;
    alarm(TIME_LIMIT_S);
    for (int kind = MICRO_THREADS; kind <= MICRO_PROCESSES && !failed; kind++)
        failed = answers_and_leaves(kind);
    puts(failed ? failed : "both ended");
    return failed != NULL;
}
