/* More loops of one system call each: of names, of descriptors, of clocks of CPU time. */
#ifndef MICRO_OS_MORE_CALLS_H
#define MICRO_OS_MORE_CALLS_H

#include "os/repeated_calls.h"

MICRO_CALLS(getcwd, getcwd(given->buffer, given->bytes) ? 0 : -1, got == 0)
MICRO_CALLS(close_bad, close(-1), got == -1 && errno == EBADF)
MICRO_CALLS(fcntl_set, fcntl(given->fd, F_SETFL, i & 1 ? O_NONBLOCK : 0), got >= 0)
#ifdef __linux__
MICRO_CALLS(access, syscall(SYS_faccessat, given->fd, given->name, R_OK), got == 0)
MICRO_CALLS(process_clock, syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, given->buffer),
            got == 0)
MICRO_CALLS(thread_clock, syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, given->buffer),
            got == 0)
#else
MICRO_CALLS(access, faccessat(given->fd, given->name, R_OK, 0), got == 0)
MICRO_CALLS(process_clock, clock_gettime(CLOCK_PROCESS_CPUTIME_ID, given->buffer), got == 0)
MICRO_CALLS(thread_clock, clock_gettime(CLOCK_THREAD_CPUTIME_ID, given->buffer), got == 0)
#endif

#endif
