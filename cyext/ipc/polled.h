/* Two words in shared memory that two tasks poll, each on a CPU of its own. */
#ifndef MICRO_IPC_POLLED_H
#define MICRO_IPC_POLLED_H

#include "core/busy_peers.h"

#define MICRO_POLLS_BEFORE_ROLL_CALL (1u << 24)

typedef struct {
    _Alignas(128) atomic_uint asked;
    _Alignas(128) atomic_uint answered;
} micro_words_t;

/* The peer's body: answer each number with the same one. */
static int64_t micro_words_answer(micro_peer_t *self, void *argument)
{
    micro_busy_t *const busy = argument;
    micro_words_t *const words = busy->more;
    int64_t status;
    while ((status = micro_busy_begins(self, busy)) == 1) {
        while (micro_busy_lasts(busy))
            atomic_store_explicit(
                &words->answered, atomic_load_explicit(&words->asked, memory_order_acquire),
                memory_order_release);
        micro_busy_ended(busy);
    }
    return status;
}

/* Ask and poll until the answer is there: 0, or why the peer failed. */
static inline int64_t micro_words_ask(micro_words_t *words, micro_peers_t *group)
{
    const unsigned number = atomic_load_explicit(&words->asked, memory_order_relaxed) + 1;
    atomic_store_explicit(&words->asked, number, memory_order_release);
    for (unsigned polls = 1;
         atomic_load_explicit(&words->answered, memory_order_acquire) != number; polls++)
        if (polls % MICRO_POLLS_BEFORE_ROLL_CALL == 0) {
            const int64_t error = micro_peers_failed(group);
            if (error)
                return error;
        }
    return 0;
}

#endif
