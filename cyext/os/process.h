/* Processes: fork, vfork, wait, and a life tied to the parent's. */
#ifndef MICRO_OS_PROCESS_H
#define MICRO_OS_PROCESS_H

#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#elif defined(__FreeBSD__) || defined(__DragonFly__)
#include <sys/procctl.h>
#endif

/* Wait for one child; 0 only if it ended by itself with status 0. */
static inline int micro_wait_success(pid_t child)
{
    int status = 0;
    pid_t got;
    do {
        got = waitpid(child, &status, 0);
    } while (got < 0 && errno == EINTR);
    if (got != child)
        return -(errno ? errno : ECHILD);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

/* fork, the child leaves at once, the parent waits. Which call failed comes back in `call`, which
 * is written only then: after a fork, each page that the parent writes to is copied. */
static inline int micro_fork_exit(const char **call)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    if (child < 0) {
        *call = "fork";
        return -errno;
    }
    const int status = micro_wait_success(child);
    if (status)
        *call = "waitpid";
    return status;
}

#if defined(__APPLE__)
#define MICRO_HAS_VFORK 0   /* deprecated there and the same call as fork */
#else
#define MICRO_HAS_VFORK 1
#endif

static inline int micro_vfork_exit(const char **call)
{
#if MICRO_HAS_VFORK
    pid_t child = vfork();
    if (child == 0)
        _exit(0);
    if (child < 0) {
        *call = "vfork";
        return -errno;
    }
    const int status = micro_wait_success(child);
    if (status)
        *call = "waitpid";
    return status;
#else
    *call = "vfork";
    return -ENOSYS;
#endif
}

/* Be killed when the parent dies, where the system can do that; 1 if it can. The caller compares
 * getppid() afterwards: the parent may have died before the call. */
static inline int micro_die_with_parent(void)
{
#ifdef __linux__
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
#else
    return 0;
#endif
}

/* Become the parent of every descendant whose own parent ends, where the system can do that; 1 if
 * it can. */
static inline int micro_adopt_orphans(void)
{
#if defined(__linux__)
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
#elif defined(__FreeBSD__) || defined(__DragonFly__)
    return procctl(P_PID, getpid(), PROC_REAP_ACQUIRE, NULL) == 0;
#else
    return 0;
#endif
}

#endif
