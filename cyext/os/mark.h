/* Places in a program that whoever traces it can see: a call that does nothing and fails. Around the
 * loop they also let the event counters of this thread (os/event_counter.h) run.
 *
 * Only a workload whose operations are counted makes these calls, and never between the two reads of
 * the clock. */
#ifndef MICRO_OS_MARK_H
#define MICRO_OS_MARK_H

#include <stdint.h>

enum {
    MICRO_LOOP_BEGINS = 1, MICRO_LOOP_ENDS, MICRO_ARMED, MICRO_DISARMED,
    MICRO_CALLS_COUNTED,   /* no place, but a question */
};

#ifdef __linux__
#include <sys/prctl.h>
#define MICRO_MARK 0x6d69636d
static inline void micro_mark(int place)
{
    if (place == MICRO_LOOP_BEGINS)
        prctl(PR_TASK_PERF_EVENTS_ENABLE, 0, 0, 0, 0);
    prctl(MICRO_MARK, place, 0, 0, 0);
    if (place == MICRO_LOOP_ENDS)
        prctl(PR_TASK_PERF_EVENTS_DISABLE, 0, 0, 0, 0);
}

/* How many calls of a number were counted in loops until now, all of them for number -1; negative
 * where nobody traces this program. */
static inline int64_t micro_calls_counted(int number)
{
    return prctl(MICRO_MARK, MICRO_CALLS_COUNTED, number, 0, 0);
}
#else
static inline void micro_mark(int place) { (void)place; }
static inline int64_t micro_calls_counted(int number) { (void)number; return -1; }
#endif

#endif
