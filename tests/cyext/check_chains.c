/* Each cycle of loads visits every node once, and its chains begin evenly apart. */
#include <stdio.h>
#include <stdlib.h>

#include "hardware/chains.h"

static char *space;

static int wrong(uint64_t count, size_t apart_bytes, unsigned chain_count)
{
    micro_node_t *chains[MICRO_CHAINS_MOST], *follower;
    char *const seen = calloc(count, 1);
    uint64_t visited = 0;
    micro_link(space, count, apart_bytes, chains, chain_count);
    follower = chains[0];
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t number = (uint64_t)((char *)follower - space) / apart_bytes;
        for (unsigned j = 0; j < chain_count; j++)
            if (i == count * j / chain_count && follower != chains[j])
                return 1;
        if (number >= count || seen[number])
            return 1;
        seen[number] = 1;
        visited++;
        follower = follower->next;
    }
    free(seen);
    return visited != count || follower != chains[0];
}

static int wrong_after(uint64_t n, unsigned count)
{
    micro_node_t *chains[MICRO_CHAINS_MOST], *before[MICRO_CHAINS_MOST];
    uint64_t followed = 0;
    micro_link(space, 1000, 64, chains, count);
    for (unsigned j = 0; j < count; j++)
        before[j] = chains[j];
    micro_follow(chains, count, n);
    for (unsigned j = 0; j < count; j++)
        for (micro_node_t *at = before[j]; at != chains[j]; at = at->next)
            followed++;
    return followed != n;
}

int main(void)
{
    space = malloc((size_t)5000 * 4096 + 4096);
    if (!space)
        return 2;
    for (uint64_t count = 1; count < 5000; count += count < 70 ? 1 : 77) {
        const unsigned chains = count < MICRO_CHAINS_MOST ? 1 : MICRO_CHAINS_MOST;
        if (wrong(count, 4096, 1) || wrong(count, 64, chains)) {
            printf("a cycle of %d is wrong\n", (int)count);
            return 1;
        }
    }
    for (uint64_t n = 0; n < 40; n++)
        if (wrong_after(n, 1) || wrong_after(n, 7)) {
            printf("%d loads are wrong\n", (int)n);
            return 1;
        }
    return 0;
}
