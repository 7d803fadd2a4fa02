"""Processes: what it costs to make one, from parents of different size, and to have many."""

from collections.abc import Mapping

from cyext.core.page_sizes import HUGE_PAGES, SMALL_PAGES
from micro.probes.declaration import (
    TIMES_ITSELF,
    Axis,
    Choice,
    Headline,
    Probe,
    powers_of_two,
)
from runners.model.benchmark import Scalar
from runners.model.job import Promise

_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"
_LMBENCH = "lmbench, lat_proc (McVoy and Staelin 1996)"
_IMAGES = Choice(
    ("static", "dynamic", "python"),
    usual=("static", "dynamic", "python"),
    quick=("static", "python"),
)
_PAGES = Choice((SMALL_PAGES, HUGE_PAGES), usual=(SMALL_PAGES,), quick=(SMALL_PAGES,))
_ONE_IMAGE = Choice(_IMAGES.values, usual=("dynamic",), quick=("dynamic",))
_PROGRAMS = Choice(("static", "dynamic"), usual=("static", "dynamic"), quick=("dynamic",))
_ALIVE = Axis(
    "live_children",
    (1, 16, 64, 256, 2048),
    quick=(1, 16, 256),
    rigorous=powers_of_two(1, 1 << 15),
)
_PARENT = (
    "; the parent is a tiny program, linked statically or dynamically, or a Python process, and "
    "shares one CPU with its children."
)
_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30

# The C library's own bookkeeping around fork, which differs from one to the next.
_AROUND_FORK = frozenset({"set_robust_list", "rt_sigprocmask", "gettid", "set_tid_address"})
# What a living child waits in, entered sooner or later.
_BLOCKED = frozenset({"poll"})
# What a program's start-up code does before main(), and the loader where it is linked dynamically.
_START = frozenset(
    {"arch_prctl", "brk", "mprotect", "mmap", "munmap", "prlimit64", "rseq", "getrandom"}
    | {"readlink", "readlinkat", "uname"}
)
_LOADER = frozenset({"access", "faccessat", "openat", "read", "pread64", "close"}) | frozenset(
    {"fstat", "newfstatat", "statx", "madvise", "futex"}
)
_FORK_EXIT = Promise({"clone": 1, "wait4": 1, "exit_group": 1}, tolerated=_AROUND_FORK)


def _executed(params: Mapping[str, Scalar], level: int | None) -> Promise:
    return Promise(
        {"clone": 1, "execve": 1, "wait4": 1, "exit_group": 1},
        tolerated=_AROUND_FORK | _START | (_LOADER if params["program"] == "dynamic" else set()),
    )


def _spawned(params: Mapping[str, Scalar], level: int | None) -> Promise:
    """The child resets its signal handlers, each with a call of its own where the library must."""
    promise = _executed(params, level)
    return Promise(promise.calls, tolerated=promise.tolerated | {"rt_sigaction"})


PROBES = (
    Probe(
        name="process.fork_exit",
        workload="cyext.process.parents:ForkExit",
        title="fork, exit and wait",
        method="One operation is fork(), _exit(0) in the child and waitpid() in the parent"
        + _PARENT,
        source=_LMBENCH,
        params={"image": _IMAGES},
        waits=True,
        no_team=TIMES_ITSELF,
        promise=_FORK_EXIT,
        headlines=(Headline("fork+exit", "Processes", {"image": "static"}),),
    ),
    Probe(
        name="process.vfork_exit",
        workload="cyext.process.parents:VforkExit",
        title="vfork, exit and wait",
        method="One operation is vfork(), _exit(0) in the child and waitpid() in the parent"
        + _PARENT,
        source=_VON_LEITNER,
        params={"image": _IMAGES},
        waits=True,
        no_team=TIMES_ITSELF,
        promise=_FORK_EXIT,
        headlines=(Headline("vfork+exit", "Processes", {"image": "static"}),),
    ),
    Probe(
        name="process.fork_exec",
        workload="cyext.process.parents:ForkExec",
        title="fork, execute a tiny program and wait",
        method="One operation is fork(), execve() of a program that leaves at once, and waitpid()"
        + _PARENT,
        least_effort="usual",
        source=_LMBENCH,
        params={"image": _ONE_IMAGE, "program": _PROGRAMS},
        waits=True,
        no_team=TIMES_ITSELF,
        promise=_executed,
    ),
    Probe(
        name="process.vfork_exec",
        workload="cyext.process.parents:VforkExec",
        title="vfork, execute a tiny program and wait",
        method="One operation is vfork(), execve() of a program that leaves at once, and "
        "waitpid()" + _PARENT,
        least_effort="usual",
        source=_VON_LEITNER,
        params={"image": _ONE_IMAGE, "program": _PROGRAMS},
        waits=True,
        no_team=TIMES_ITSELF,
        promise=_executed,
    ),
    Probe(
        name="process.posix_spawn",
        workload="cyext.process.parents:PosixSpawn",
        title="spawn a tiny program and wait",
        method="One operation is posix_spawn() of a program that leaves at once, and waitpid()"
        + _PARENT,
        source="POSIX.1-2008, posix_spawn: the way around fork for large parents",
        params={"image": _ONE_IMAGE, "program": _PROGRAMS},
        waits=True,
        no_team=TIMES_ITSELF,
        promise=_spawned,
        headlines=(Headline("posix_spawn", "Processes", {"program": "dynamic"}),),
    ),
    Probe(
        name="process.fork_alive",
        workload="cyext.process.parents:ForkAlive",
        title="fork beside many living children",
        method="One operation, with live_children alive and blocked, is fork() of one more and "
        "read() of the byte that it writes; its end is not timed" + _PARENT,
        source=_VON_LEITNER,
        params={"image": Choice(_IMAGES.values, usual=("static",), quick=("static",))},
        axis=_ALIVE,
        waits=True,
        no_team=TIMES_ITSELF,
        promise=Promise(
            {"clone": 1, "close": 1, "write": 1, "read": 1},
            tolerated=_AROUND_FORK | _BLOCKED,
        ),
        headlines=(Headline("fork, many children"),),
    ),
    Probe(
        name="process.reap",
        workload="cyext.process.parents:Reap",
        title="end and reap one of many children",
        method="One operation, with live_children more alive and blocked, is kill(SIGKILL) of one "
        "child and waitpid() for it; its fork is not timed" + _PARENT,
        least_effort="usual",
        source=_VON_LEITNER,
        params={"image": Choice(_IMAGES.values, usual=("static",), quick=("static",))},
        axis=_ALIVE,
        waits=True,
        no_team=TIMES_ITSELF,
        promise=Promise({"kill": 1, "wait4": 1}, tolerated=_BLOCKED),
        headlines=(Headline("reap, many children"),),
    ),
    Probe(
        name="process.fork_rss",
        workload="cyext.process.parents:ForkRss",
        title="fork a parent of much memory",
        method="One operation, with rss bytes of private memory touched in small or huge pages, is "
        "fork(), _exit(0) in the child and waitpid() in the parent, a tiny program that shares one "
        "CPU with its children.",
        least_effort="usual",
        source="POSIX.1-2008, rationale of posix_spawn: fork copies the tables of what exec then "
        "drops",
        params={"pages": _PAGES},
        axis=Axis(
            "rss",
            (128 * _KIB, 2 * _MIB, 8 * _MIB, 32 * _MIB, 128 * _MIB),
            quick=(128 * _KIB, 2 * _MIB, 32 * _MIB),
            rigorous=powers_of_two(128 * _KIB, _GIB),
            kind="bytes",
        ),
        clock_bound_up_to=32 * _MIB,
        waits=True,
        no_team=TIMES_ITSELF,
        promise=_FORK_EXIT,
        headlines=(Headline("fork, big parent"),),
    ),
    Probe(
        name="process.fork_maps",
        workload="cyext.process.parents:ForkMaps",
        title="fork a parent of many maps",
        method="One operation, with maps untouched maps of a page each beside the parent's own, is "
        "fork(), _exit(0) in the child and waitpid() in the parent, a tiny program that shares one "
        "CPU with its children.",
        least_effort="usual",
        source=_VON_LEITNER + ": why a dynamically linked program forks more slowly",
        axis=Axis(
            "maps",
            (8, 128, 512, 2048, 8192),
            quick=(8, 128, 2048),
            # Beside powers of two, LEBench's 6,000 and 12,000 maps.
            rigorous=tuple(sorted({*powers_of_two(8, 1 << 16), 6000, 12_000})),
        ),
        waits=True,
        no_team=TIMES_ITSELF,
        promise=_FORK_EXIT,
        headlines=(Headline("fork, many maps"),),
    ),
)
