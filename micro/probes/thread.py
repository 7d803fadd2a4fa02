"""Threads: what it costs to create one, alone and among many."""

from collections.abc import Mapping

from micro.probes.declaration import Axis, Choice, Headline, Probe, powers_of_two
from runners.model.benchmark import Scalar
from runners.model.job import Promise

_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"
_STACK = Choice(("default", "minimal"), usual=("default", "minimal"), quick=("default",))
_STACK_MEMORY = "the stack was used by a thread that ended (cached) or is mapped (fresh)"
# What a C library does besides where a thread starts and ends.
_THREAD_LIFE = frozenset({"rt_sigaction", "rt_sigprocmask", "set_robust_list", "rseq", "exit"})


def _create_join(params: Mapping[str, Scalar], _level: int | None) -> Promise:
    mapping = {"mmap", "mprotect", "munmap"}
    if params["stack_memory"] == "library":  # what it does is its own decision
        return Promise({"clone": 1}, _THREAD_LIFE | {"futex", "madvise"} | mapping)
    fresh = mapping if params["stack_memory"] == "fresh" else set()
    return Promise({"clone": 1, **dict.fromkeys(fresh, 1)}, _THREAD_LIFE | {"futex"})


def _create_alive(params: Mapping[str, Scalar], _level: int | None) -> Promise:
    mapping = {"mmap": 1, "mprotect": 1} if params["stack_memory"] == "fresh" else {}
    # The new thread writes, and blocks in a read of its own, sooner or later.
    return Promise({"clone": 1, "write": 1, **mapping}, _THREAD_LIFE | {"read"})


PROBES = (
    Probe(
        name="thread.create_join",
        workload="cyext.thread.threads:CreateJoin",
        title="create and join a thread",
        method="One operation is pthread_create() of an empty function and pthread_join(), both "
        "threads on one CPU, with a stack of the C library's default size or the smallest that "
        "works; the stack is the C library's, as programs have it (library), which keeps that of "
        "the thread before (glibc) or maps a new one (musl), or it is the probe's own, on which a "
        "thread ran before (cached), or which is mapped and unmapped in the operation (fresh).",
        source=_VON_LEITNER,
        params={
            "stack": _STACK,
            "stack_memory": Choice(
                ("library", "cached", "fresh"), usual=("library",), quick=("library",)
            ),
        },
        promise=_create_join,
        waits=True,
        headlines=(Headline("create+join thread", "Processes"),),
    ),
    Probe(
        name="thread.create_alive",
        workload="cyext.thread.threads:CreateAlive",
        title="create a thread beside many living ones",
        method="One operation, with live_threads alive and blocked, is pthread_create() of one "
        "more and read() of the byte that it writes, all threads on one CPU; its end is not "
        f"timed; {_STACK_MEMORY} in the operation.",
        least_effort="usual",
        source=_VON_LEITNER,
        params={
            "stack": Choice(("default", "minimal"), usual=("default",), quick=("default",)),
            "stack_memory": Choice(
                ("cached", "fresh"), usual=("cached", "fresh"), quick=("cached",)
            ),
        },
        axis=Axis(
            "live_threads",
            (1, 16, 64, 256, 1024),
            quick=(1, 64, 1024),
            rigorous=powers_of_two(1, 1 << 15),
        ),
        no_team={"processes": "a forked process has none of the live threads"},
        promise=_create_alive,
        waits=True,
        headlines=(Headline("thread, many alive"),),
    ),
)
