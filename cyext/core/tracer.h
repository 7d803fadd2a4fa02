/* Count the system calls of a command between two marks, and make chosen ones fail (Linux, ptrace).
 *
 * The command marks places by prctl(MICRO_MARK, place): a call that does nothing and returns EINVAL.
 * By prctl(MICRO_MARK, CALLS_COUNTED, number) it asks how many calls were counted, and is answered.
 * Counted are the calls between LOOP_BEGINS and LOOP_ENDS of the thread that sets the marks and of
 * the children it makes meanwhile; a fault goes to the k-th call of one number since ARMED.
 */
#ifndef MICRO_TRACER_H
#define MICRO_TRACER_H

#include <errno.h>
#include <stdint.h>

#include "os/clock.h"
#include "os/mark.h"

#define MICRO_CALLS_MAX 1024
/* How long those that the command left behind may take to end: they may be on their way out. */
#define MICRO_FAREWELL_NS 2000000000LL

typedef struct {
    int64_t in_loop[MICRO_CALLS_MAX];    /* calls of each number between the loop's marks */
    int64_t armed[MICRO_CALLS_MAX];      /* calls of each number since ARMED */
    int64_t page_faults;                 /* minor ones of the threads that marked loops, in these */
    int fault_call, fault_errno;         /* call number to fail (-1: none) and with what */
    int64_t fault_at;                    /* the how-manieth, from 1 */
    int fault_done;                      /* it was injected */
    int fault_in_loop;                   /* ... between the loop's marks */
    int wait_status;                     /* of the command, as waitpid gives it */
    int left_over;                       /* processes that outlived the command and were killed */
} micro_trace_t;

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    pid_t id;
    int64_t number;   /* of the call it is in, -1 outside */
    pid_t loop_of;    /* who marked the loop that it, or the maker it was born of, is in; or 0 */
    int in_loop;      /* it marked a beginning and no end yet */
    int64_t faults;   /* its minor page faults at that beginning */
    int counted;      /* the call it is in was counted in the loop */
    int known;        /* its maker's event has come: what it inherits is settled */
    int held;         /* it stopped before that and waits */
    int replaced;     /* the call it is in was skipped: what it is to return stands in `result` */
    int64_t result;
} micro_tracee_t;

/* What PTRACE_GET_SYSCALL_INFO (Linux 5.3) fills in; libcs name its struct differently or not at all. */
#define MICRO_GET_SYSCALL_INFO 0x420e
enum { MICRO_AT_ENTRY = 1, MICRO_AT_EXIT = 2 };
typedef struct {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t instruction_pointer, stack_pointer;
    union {
        struct { uint64_t number, arguments[6]; } entry;
        struct { int64_t result; uint8_t is_error; } exit;
    };
} micro_call_info_t;

/* The kernel's own notes that a call is to be made again after a signal (ERESTARTSYS, -NOINTR and
 * -NOHAND): no call of the program. One that goes on as restart_syscall was counted already. */
static int micro_is_restart(int64_t result)
{
    return result <= -512 && result >= -514;
}

/* At a call's entry: let it be no call at all. */
static void micro_skip_call(pid_t id)
{
#if defined(__x86_64__)
    ptrace(PTRACE_POKEUSER, id, (void *)offsetof(struct user_regs_struct, orig_rax), (void *)-1L);
#else
    int none = -1;
    struct iovec io = {&none, sizeof none};
    ptrace(PTRACE_SETREGSET, id, (void *)NT_ARM_SYSTEM_CALL, &io);
#endif
}

/* At its exit: what it returned. */
static void micro_set_result(pid_t id, int64_t result)
{
#if defined(__x86_64__)
    ptrace(PTRACE_POKEUSER, id, (void *)offsetof(struct user_regs_struct, rax), (void *)result);
#else
    struct user_regs_struct regs;
    struct iovec io = {&regs, sizeof regs};
    if (ptrace(PTRACE_GETREGSET, id, (void *)NT_PRSTATUS, &io) == 0) {
        regs.regs[0] = (uint64_t)result;
        ptrace(PTRACE_SETREGSET, id, (void *)NT_PRSTATUS, &io);
    }
#endif
}

static micro_tracee_t *micro_tracee(micro_tracee_t **all, size_t *count, pid_t id)
{
    for (size_t i = 0; i < *count; i++)
        if ((*all)[i].id == id)
            return &(*all)[i];
    for (size_t i = 0; i < *count; i++)
        if ((*all)[i].id == 0) {
            (*all)[i] = (micro_tracee_t){.id = id, .number = -1};
            return &(*all)[i];
        }
    micro_tracee_t *grown = realloc(*all, (*count + 64) * sizeof **all);
    if (!grown)
        return NULL;
    memset(grown + *count, 0, 64 * sizeof *grown);
    *all = grown;
    *count += 64;
    return micro_tracee(all, count, id);
}

/* Children are in the loop of their maker, and no longer than that lasts. */
static int micro_in_loop(const micro_tracee_t *all, size_t count, const micro_tracee_t *one)
{
    for (size_t i = 0; one->loop_of && i < count; i++)
        if (all[i].id == one->loop_of)
            return all[i].in_loop;
    return 0;
}

/* Minor page faults of one thread so far: the tenth word of its line, the name in brackets being the
 * second; 0 where it cannot be read. */
static int64_t micro_minor_faults_of(pid_t id)
{
    char path[64], line[512];
    long long faults = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)id, (int)id);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    const char *end = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %lld", &faults) != 1)
        faults = 0;
    fclose(file);
    return faults;
}

static void micro_at_mark(micro_tracee_t *one, uint64_t place, int *armed, micro_trace_t *trace)
{
    if (place == MICRO_ARMED || place == MICRO_DISARMED) {
        *armed = place == MICRO_ARMED;
        return;
    }
    const int64_t faults = micro_minor_faults_of(one->id);
    if (place == MICRO_LOOP_ENDS && one->in_loop)
        trace->page_faults += faults - one->faults;
    one->in_loop = place == MICRO_LOOP_BEGINS;
    one->loop_of = one->id;
    one->faults = faults;
}

/* At a call's entry: let it do nothing and return this. */
static void micro_return(micro_tracee_t *one, int64_t result)
{
    micro_skip_call(one->id);
    one->replaced = 1;
    one->result = result;
}

static int64_t micro_calls_in_loop(const micro_trace_t *trace, int number)
{
    int64_t total = 0;
    for (int i = 0; i < MICRO_CALLS_MAX; i++)
        total += number == -1 || number == i ? trace->in_loop[i] : 0;
    return total;
}

static void micro_at_entry(micro_tracee_t *one, int in_loop, const micro_call_info_t *call,
                           int *armed, micro_trace_t *trace)
{
    const uint64_t number = call->entry.number, *arguments = call->entry.arguments;
    if (number >= MICRO_CALLS_MAX || number == SYS_restart_syscall)
        return;
    if (number == SYS_prctl && arguments[0] == MICRO_MARK) {
        if (arguments[1] == MICRO_CALLS_COUNTED)
            micro_return(one, micro_calls_in_loop(trace, (int)arguments[2]));
        else
            micro_at_mark(one, arguments[1], armed, trace);
        return;
    }
    if (number == SYS_prctl && (arguments[0] == PR_TASK_PERF_EVENTS_ENABLE
                                || arguments[0] == PR_TASK_PERF_EVENTS_DISABLE))
        return;   /* part of a mark */
    one->number = (int64_t)number;
    one->counted = in_loop;
    trace->in_loop[number] += in_loop;
    trace->armed[number] += *armed;
    if (*armed && (int)number == trace->fault_call && trace->armed[number] == trace->fault_at
        && !trace->fault_done) {
        trace->fault_done = 1;
        trace->fault_in_loop = in_loop;
        micro_return(one, -trace->fault_errno);
    }
}

static int micro_is_birth(int event)
{
    return event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE;
}

/* Kill all that are left, also those that left the command's process group. */
static void micro_kill_tracees(const micro_tracee_t *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].id)
            kill(all[i].id, SIGKILL);
}

/* In a process without other children: all of them are waited for. */
static int micro_trace_here(char *const argv[], char *const envp[], int output, unsigned seconds,
                            micro_trace_t *trace)
{
    const pid_t tracer = getpid(), leader = fork();
    if (leader < 0)
        return -errno;
    if (leader == 0) {
        /* PTRACE_O_EXITKILL comes later: a tracer that dies before would leave it stopped for ever. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != tracer)
            _exit(126);
        setpgid(0, 0);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(126);
        const int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, 0);
        dup2(output, 1);
        dup2(nowhere, 2);
        signal(SIGALRM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        alarm(seconds);
        raise(SIGSTOP);
        execve(argv[0], argv, envp);
        _exit(127);
    }
    int status;
    while (waitpid(leader, &status, 0) != leader)
        if (errno != EINTR)
            return -errno;
    if (!WIFSTOPPED(status))
        return -EPERM;
    if (ptrace(PTRACE_SETOPTIONS, leader, NULL,
               (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
                              | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) != 0) {
        const int error = errno;
        kill(leader, SIGKILL);
        waitpid(leader, &status, 0);
        return -error;
    }
    micro_tracee_t *tracees = NULL;
    size_t count = 0;
    int armed = 0, leader_done = 0, ending = 0, failed = 0;
    int64_t farewell_ns = 0;
    const struct timespec pause = {.tv_nsec = 1000000};
    micro_tracee_t *first = micro_tracee(&tracees, &count, leader);
    if (first)
        first->known = 1;
    ptrace(PTRACE_SYSCALL, leader, NULL, NULL);
    for (;;) {
        ending |= leader_done && micro_now_ns() > farewell_ns;
        if (ending)
            micro_kill_tracees(tracees, count);
        const pid_t id = waitpid(-1, &status, leader_done && !ending ? __WALL | WNOHANG : __WALL);
        if (id == 0) {
            ending = nanosleep(&pause, NULL) != 0;   /* interrupted: somebody wants this to end */
            continue;
        }
        if (id < 0) {
            if (errno != EINTR)
                break;   /* nobody left */
            ending = 1;   /* somebody wants this to end */
            continue;
        }
        micro_tracee_t *one = micro_tracee(&tracees, &count, id);
        if (!one) {
            failed = ENOMEM;
            ending = 1;
            kill(id, SIGKILL);
            continue;
        }
        if (!WIFSTOPPED(status)) {
            one->id = 0;
            if (id == leader) {
                trace->wait_status = status;
                leader_done = 1;
                farewell_ns = micro_now_ns() + MICRO_FAREWELL_NS;
            } else if (leader_done && ending) {
                trace->left_over++;
            }
            continue;
        }
        if (ending)
            continue;
        long deliver = 0;
        const int stop = WSTOPSIG(status);
        if (stop == (SIGTRAP | 0x80)) {
            micro_call_info_t call;
            const long got = ptrace(MICRO_GET_SYSCALL_INFO, id, (void *)sizeof call, &call);
            if (got < 0 && errno == ESRCH)
                continue;   /* killed meanwhile: its end comes next */
            if (got <= 0) {
                failed = got < 0 ? errno : ENOSYS;
                ending = 1;
                continue;
            }
            if (call.op == MICRO_AT_ENTRY) {
                micro_at_entry(one, micro_in_loop(tracees, count, one), &call, &armed, trace);
            } else if (call.op == MICRO_AT_EXIT) {
                if (one->replaced) {
                    micro_set_result(id, one->result);
                } else if (one->number >= 0 && micro_is_restart(call.exit.result)) {
                    trace->in_loop[one->number] -= one->counted;
                    trace->armed[one->number] -= armed;
                }
                one->number = -1;
                one->replaced = one->counted = 0;
            }
        } else if (stop == SIGTRAP && micro_is_birth(status >> 16)) {
            unsigned long born = 0;
            ptrace(PTRACE_GETEVENTMSG, id, NULL, &born);
            const pid_t loop_of = micro_in_loop(tracees, count, one) ? one->loop_of : 0;
            micro_tracee_t *child = micro_tracee(&tracees, &count, (pid_t)born);
            if (child) {
                child->known = 1;
                child->loop_of = loop_of;
                if (child->held) {
                    child->held = 0;
                    ptrace(PTRACE_SYSCALL, child->id, NULL, NULL);
                }
            }
        } else if (stop == SIGTRAP && status >> 16 == PTRACE_EVENT_EXEC) {
            unsigned long former = 0;   /* a thread that does exec takes its process's id */
            ptrace(PTRACE_GETEVENTMSG, id, NULL, &former);
            for (size_t i = 0; i < count; i++)
                if (tracees[i].id == (pid_t)former && tracees[i].id != id)
                    tracees[i].id = 0;
        } else if (!one->known) {
            one->held = 1;
            continue;
        } else if (stop != SIGSTOP && stop != SIGTRAP) {
            deliver = stop;
        }
        ptrace(PTRACE_SYSCALL, id, NULL, (void *)deliver);
    }
    free(tracees);
    return -failed;
}

static void micro_wake(int number)
{
    (void)number;
}

/* Run a command under the tracer, its standard output on `output`. 0, or -errno where tracing is not
 * possible. A command that takes longer than `seconds` dies of SIGALRM. */
static int micro_trace(char *const argv[], char *const envp[], int output, unsigned seconds,
                       micro_trace_t *trace)
{
    struct told { micro_trace_t trace; int failed; };
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return -errno;
    told->trace = *trace;
    told->failed = -EIO;   /* unless it says otherwise: somebody killed it */
    /* The end of another child is no reason to stop: a handler of SIGCHLD would end our wait. */
    sigset_t children, before;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &children, &before);
    const pid_t caller = getpid(), tracer = fork();
    if (tracer == 0) {
        signal(SIGCHLD, SIG_DFL);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        const struct sigaction wake = {.sa_handler = micro_wake};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != caller)
            _exit(1);
        signal(SIGINT, SIG_IGN);   /* the caller gets it, too, and says what to do */
        sigaction(SIGTERM, &wake, NULL);
        told->failed = micro_trace_here(argv, envp, output, seconds, &told->trace);
        _exit(0);
    }
    int failed = tracer < 0 ? -errno : 0, status;
    while (!failed && waitpid(tracer, &status, 0) != tracer)
        if (errno == EINTR)
            kill(tracer, SIGTERM);   /* somebody wants this to end */
        else
            failed = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        failed = told->failed;
    *trace = told->trace;
    munmap(told, sizeof *told);
    return failed;
}

#else
static inline int micro_trace(char *const argv[], char *const envp[], int output, unsigned seconds,
                              micro_trace_t *trace)
{
    (void)argv; (void)envp; (void)output; (void)seconds; (void)trace;
    return -ENOSYS;
}
#endif

#endif
