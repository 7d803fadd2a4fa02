"""Locks: what mutual exclusion costs, uncontended and among members of a team; wake-ups."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from micro.probes.declaration import HAS_PEERS, Axis, Choice, Probe, powers_of_two
from runners.machine.environment import usable_cpus
from runners.model.benchmark import Scalar
from runners.model.count import SWITCHES, Count
from runners.model.job import TEAMS, Promise

_CPUS = len(usable_cpus())
_MEMBERS = tuple(sorted({1, 2, _CPUS, 2 * _CPUS}))
# Who spins for a holder that does not run spins for whole time slices.
_SPINNING = tuple(n for n in _MEMBERS if n <= _CPUS)
_LIBRARY = Promise(tolerated=frozenset({"futex"}))
_SHARED = Choice(("private", "own"), usual=("private",), quick=("private",))
_PEER = Choice(("thread", "process"), usual=("thread",), quick=("thread",))
_WAITERS = Axis("waiters", (1, 64), quick=(1,), rigorous=powers_of_two(1, 4096))
_WAKEUPS = Count("wakeups", "waiters woken", exact=True)
_HANDOVERS = Count("handovers", "hand-overs", "none")


def _lock(
    name: str,
    what: str,
    calls: str,
    source: str,
    *,
    workload: str,
    params: Mapping[str, Scalar | Choice],
    members: Literal["threads", "processes"] = "threads",
    levels: Sequence[int] = _MEMBERS,
    promise: Promise | Callable[[Mapping[str, Scalar], int | None], Promise] = _LIBRARY,
    counts: tuple[Count, ...] = (*SWITCHES, _HANDOVERS),
    usual: bool = True,
) -> Probe:
    """The probe of a lock that all members of a team use."""
    return Probe(
        name=name,
        workload=f"cyext.lock.locks:{workload}",
        title=f"lock and unlock {what}, in {members}",
        method=f"One operation is {calls}; in between, a member does four dependent multiply-adds "
        "and, under an exclusive lock, counts whether another member had the lock before; all "
        f"{members} use one lock unless each has its own, member i runs on CPU i modulo the number "
        "of CPUs, and the batch ends when the last member ends.",
        source=source,
        params=params,
        axis=Axis(
            members,
            tuple(n for n in levels if usual or n <= _CPUS),
            quick=tuple(n for n in levels if n in (1, 2)),
            rigorous=tuple(levels),
            kind="members",
        ),
        workers=members,
        promise=promise,
        waits=True,
        counts=counts,
        least_effort="quick" if usual else "usual",
    )


def _wake(name: str, workload: str, what: str, calls: str, source: str) -> Probe:
    """The probe of waking sleepers at something."""
    return Probe(
        name=name,
        workload=f"cyext.lock.wakeups:{workload}",
        title=f"wake waiters at {what}",
        method=f"One operation is {calls}; all waiters run on the waker's CPU, and the operation "
        "ends when those that woke sleep again, because the waker runs in the idle scheduling "
        "class.",
        source=source,
        params={
            "wake": Choice(("one", "all"), usual=("one", "all"), quick=("one",)),
            "peer": _PEER,
        },
        axis=_WAITERS,
        no_team=HAS_PEERS,
        promise=Promise(tolerated=frozenset({"futex", "sched_yield"})),
        waits=True,
        counts=(_WAKEUPS,),
        least_effort="usual",
    )


def _of_file(params: Mapping[str, Scalar], _level: int | None) -> Promise:
    return Promise({"flock" if params["kind"] == "flock" else "fcntl": 2})


def _of_baton(params: Mapping[str, Scalar], level: int | None) -> Promise:
    """Of two tasks the first one makes every second hand-over, of more one in a lap."""
    call = {"fcntl": "fcntl", "flock": "flock", "ofd": "fcntl"}.get(str(params["kind"]))
    if call and level == 2:
        return Promise({call: 2})
    return Promise(tolerated=frozenset({call or "futex"}))


PROBES = (
    _lock(
        "lock.mutex",
        "a mutex",
        "pthread_mutex_lock() and pthread_mutex_unlock()",
        "will-it-scale pthread_mutex1 (shared=private) and pthread_mutex2 (own); libMicro mutex",
        workload="Mutex",
        params={"shared": _SHARED},
    ),
    _lock(
        "lock.mutex_processes",
        "a mutex that processes share",
        "pthread_mutex_lock() and pthread_mutex_unlock()",
        "will-it-scale pthread_mutex; locks between processes, Linux Scalability Project",
        workload="Mutex",
        params={"shared": "process"},
        members="processes",
    ),
    _lock(
        "lock.mutex_priority",
        "a mutex with priority inheritance",
        "pthread_mutex_lock() and pthread_mutex_unlock() of a PTHREAD_PRIO_INHERIT mutex",
        "perf bench futex lock-pi",
        workload="PriorityMutex",
        params={"shared": _SHARED},
        usual=False,
    ),
    _lock(
        "lock.rwlock_read",
        "a read-write lock for reading",
        "pthread_rwlock_rdlock() and pthread_rwlock_unlock()",
        "Linux Scalability Project: locks, also shared between processes",
        workload="ReadLock",
        params={"shared": _SHARED},
        counts=SWITCHES,
        usual=False,
    ),
    _lock(
        "lock.rwlock_write",
        "a read-write lock for writing",
        "pthread_rwlock_wrlock() and pthread_rwlock_unlock()",
        "Linux Scalability Project: locks, also shared between processes",
        workload="WriteLock",
        params={"shared": _SHARED},
        usual=False,
    ),
    _lock(
        "lock.spin",
        "a spin lock",
        "pthread_spin_lock() and pthread_spin_unlock()",
        "will-it-scale, whose spin locks are for POWER only",
        workload="SpinLock",
        params={"shared": _SHARED},
        levels=_SPINNING,
        promise=Promise(),
        usual=False,
    ),
    _lock(
        "lock.semaphore",
        "a POSIX semaphore with the value 1",
        "sem_wait() and sem_post()",
        "will-it-scale posix_semaphore1 (shared=own)",
        workload="Semaphore",
        params={"shared": _SHARED},
        usual=False,
    ),
    Probe(
        name="lock.sysv_semaphore",
        workload="cyext.lock.sysv_semaphores:SysvSemaphore",
        title="raise and lower a System V semaphore",
        method="One operation is a semop() that raises a semaphore and a semop() that lowers it "
        "again; nobody waits for it.",
        source="libMicro semop",
        no_team=dict.fromkeys(TEAMS, "each member would need a process that removes its semaphore"),
        promise=Promise({"semop": 2}),
        least_effort="rigorous",
    ),
    _lock(
        "lock.file",
        "a file",
        "taking and releasing a write lock, either of the first byte, with fcntl(F_SETLKW) or its "
        "ofd form (which belongs to the open file description), or of the whole file, with flock()",
        "will-it-scale lock1 (file=own) and lock2 (one); libMicro file_lock",
        workload="FileLock",
        params={
            "kind": Choice(
                ("fcntl", "flock", "ofd"), usual=("fcntl", "flock", "ofd"), quick=("fcntl",)
            ),
            "file": Choice(("one", "own"), usual=("one",), quick=("one",)),
        },
        members="processes",
        levels=_SPINNING,
        promise=_of_file,
        usual=False,
    ),
    Probe(
        name="lock.baton",
        workload="cyext.lock.batons:Baton",
        title="hand a baton over by locks",
        method="One operation is one hop of a baton around a ring of tasks on one CPU; two locks "
        "lead from each task to the next, which sleeps until one of them is released; the task "
        "with the baton takes the free lock, releases the one that the next task waits for, and "
        "then sleeps; so a hop is one task switch and two locks taken and released, or, for "
        "kind=condition, one signal and one wait, each with its mutex; the batch ends when all "
        "its hops have been made.",
        source="libMicro cascade_mutex, cascade_cond, cascade_flock and cascade_fcntl; lmbench "
        "lat_fcntl (two tasks)",
        params={
            "kind": Choice(
                ("mutex", "condition", "fcntl", "flock", "ofd"),
                usual=("mutex", "condition", "fcntl", "flock"),
                quick=("mutex",),
            ),
            "peer": Choice(("process", "thread"), usual=("process",), quick=("process",)),
        },
        # Beside powers of two, libMicro's 10 and 200.
        axis=Axis(
            "tasks",
            (2, 8, 32),
            quick=(2,),  # here the promise is exact
            rigorous=tuple(sorted({*powers_of_two(2, 1024), 10, 200})),
        ),
        no_team=HAS_PEERS,
        promise=_of_baton,
        waits=True,
        least_effort="rigorous",
    ),
    _wake(
        "lock.condition_wake",
        "ConditionWake",
        "a condition variable",
        "pthread_cond_signal() to one waiter, or pthread_cond_broadcast() to all",
        "libMicro cascade_cond; Linux Scalability Project: who wakes whom",
    ),
    _wake(
        "lock.futex_wake",
        "FutexWake",
        "a futex",
        "futex(FUTEX_WAKE) of one waiter, or of all",
        "perf bench futex wake",
    ),
    Probe(
        name="lock.futex_requeue",
        workload="cyext.lock.wakeups:FutexRequeue",
        title="move waiters from one futex to another",
        method="One operation is futex(FUTEX_CMP_REQUEUE) that moves all waiters from the futex "
        "at which they sleep to another one; it wakes none of them.",
        source="perf bench futex requeue",
        params={"peer": _PEER},
        axis=_WAITERS,
        no_team=HAS_PEERS,
        promise=Promise({"futex": 1}),
        least_effort="usual",
    ),
    Probe(
        name="lock.futex",
        workload="cyext.lock.wakeups:FutexCall",
        title="a futex call that finds nothing to do",
        method="One operation is futex(FUTEX_WAKE) where nobody waits, or futex(FUTEX_WAIT) for "
        "a word that has changed, which returns at once; the futex is private to the process or "
        "may be shared between processes.",
        source="will-it-scale futex1 to futex4",
        params={
            "call": Choice(("wake", "wait"), usual=("wake",), quick=("wake",)),
            "shared": Choice(("private", "process"), usual=("private",), quick=("private",)),
        },
        promise=Promise({"futex": 1}),
        least_effort="usual",
    ),
)
