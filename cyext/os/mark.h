/* Places in a program that whoever traces it can see: a call that does nothing and fails.
 *
 * Only a workload that is being verified makes it, and never between the two reads of the clock. */
#ifndef MICRO_OS_MARK_H
#define MICRO_OS_MARK_H

enum { MICRO_LOOP_BEGINS = 1, MICRO_LOOP_ENDS, MICRO_ARMED, MICRO_DISARMED };

#ifdef __linux__
#include <sys/prctl.h>
#define MICRO_MARK 0x6d69636d
static inline void micro_mark(int place)
{
    prctl(MICRO_MARK, place, 0, 0, 0);
}
#else
static inline void micro_mark(int place) { (void)place; }
#endif

#endif
