"""Threads: what it costs to make one, alone and among many."""

from micro.probes.declaration import Axis, Choice, Probe, powers_of_two
from runners.model.job import Promise

_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"
_STACKS = Choice(("default", "minimal"), usual=("default", "minimal"), quick=("default",))
# What a C library does about a thread's stack, start and end.
_THREAD_LIFE = frozenset(
    {"mmap", "mprotect", "munmap", "madvise", "rt_sigaction", "rt_sigprocmask"}
    | {"set_robust_list", "rseq", "exit"}
)

PROBES = (
    Probe(
        name="thread.create_join",
        workload="cyext.thread.threads:CreateJoin",
        title="create and join a thread",
        method="One operation is pthread_create() of an empty function and pthread_join(), both "
        "threads on one CPU, with the C library's default stack or the smallest that works.",
        source=_VON_LEITNER,
        params={"stack": _STACKS},
        promise=Promise(calls={"clone": 1}, tolerated=_THREAD_LIFE | {"futex"}),
        waits=True,
    ),
    Probe(
        name="thread.create_alive",
        workload="cyext.thread.threads:CreateAlive",
        title="create a thread beside many living ones",
        method="One operation, with live_threads alive and blocked, is pthread_create() of one "
        "more and read() of the byte that it writes, all threads on one CPU; its end is not "
        "timed.",
        least_effort="usual",
        source=_VON_LEITNER,
        params={"stack": _STACKS},
        axis=Axis(
            "live_threads",
            powers_of_two(1, 1 << 11),
            quick=(1, 32, 1024),
            rigorous=powers_of_two(1, 1 << 15),
        ),
        # The new thread writes, and blocks in a read of its own, sooner or later.
        promise=Promise(calls={"clone": 1, "write": 1}, tolerated=_THREAD_LIFE | {"read"}),
        waits=True,
    ),
)
