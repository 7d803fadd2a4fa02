"""Servers on the loopback address."""

from micro.probes.declaration import Axis, Choice, Probe, powers_of_two
from runners.model.count import Count
from runners.model.job import Promise

PROBES = (
    Probe(
        name="net.accept_herd",
        workload="cyext.net.herd:AcceptHerd",
        title="one connection to a herd of waiting acceptors",
        method="One operation is connect() to a port on which waiters wait, all on the client's "
        "CPU: it ends when one of them has accepted and closed the connection and all that woke "
        "sleep again, for the client runs in the idle class; waiters block in accept(), or in "
        "poll() or epoll_wait() and then accept; each has an epoll set of its own, and with "
        "reuseport a listener of its own.",
        source="Linux Scalability Project (Michigan 1999): the thundering herd of 2.2.9",
        params={
            "wait": Choice(
                ("accept", "poll", "epoll", "epoll_exclusive", "reuseport"),
                usual=("accept", "poll", "epoll", "epoll_exclusive", "reuseport"),
                quick=("accept", "epoll"),
            ),
            "peer": Choice(("thread", "process"), usual=("thread",), quick=("thread",)),
        },
        axis=Axis("waiters", (1, 8, 64, 256), quick=(1, 64), rigorous=powers_of_two(1, 4096)),
        promise=Promise(
            {"connect": 1},
            frozenset({"sched_yield", "mmap", "mprotect", "munmap", "madvise", "futex"}),
        ),
        waits=True,
        counts=(Count("wakeups", "waiters woken", exact=True),),
        least_effort="usual",
    ),
)
