"""Events: waiting for one descriptor of many, or for a tenth of them."""

from collections.abc import Callable, Mapping

from micro.probes.declaration import (
    HAS_PEERS,
    Axis,
    Choice,
    Headline,
    Probe,
    powers_of_four,
    powers_of_two,
)
from runners.model.benchmark import Scalar
from runners.model.count import Count
from runners.model.job import TEAMS, Promise

_BANGA = "Banga and Mogul 1998; Linux Scalability Project (Michigan 1999)"
_GAMMO = "Gammo, Brecht, Shukla and Pariag 2004"
_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"

_ALL = powers_of_two(1, 1 << 16)
_WATCHED = Axis(
    "watched",
    (1, 4, 16, 64, 256, 512, 1024, 4096, 16384),
    quick=(1, 16, 256, 4096),
    rigorous=_ALL,
)
#: For waits that take milliseconds at the end.
_SHORTER = Axis("watched", powers_of_four(1, 1 << 10), quick=(1, 1024), rigorous=_ALL)
#: For waits that cost the same all the way.
_FLAT = Axis("watched", (1, 16, 64, 256, 1024), quick=(1, 1024), rigorous=_ALL)

_READY = Choice(("1", "10%"), usual=("1",), quick=("1",))
_ROTATION = Choice(("fixed", "rotating"), usual=("fixed",), quick=("fixed",))
_PARAMS = {"ready": _READY, "rotation": _ROTATION}

_LEVEL = (
    " over watched UDP sockets, of which the middle one or an evenly spread tenth is ready and "
    "stays so; where they rotate, recv() from one ready socket and send() to an idle one are timed "
    "with it."
)
_EDGE = (
    " and recv() of each datagram, one or a tenth of watched UDP sockets: always the same, or "
    "where they rotate others each time."
)


def _waiting(label: str) -> Headline:
    return Headline(label, "Waiting, 1 ready", {"ready": "1", "rotation": "fixed"})


Promised = Callable[[Mapping[str, Scalar], int | None], Promise]


def _level_triggered(call: str) -> Promised:
    def promise(params: Mapping[str, Scalar], level: int | None) -> Promise:
        rotating = params["rotation"] == "rotating"
        return Promise({call: 1, "recvfrom": 1, "sendto": 1} if rotating else {call: 1})

    return promise


def _edge_triggered(call: str, one_by_one: bool = False) -> Promised:
    def promise(params: Mapping[str, Scalar], level: int | None) -> Promise:
        ready = max((level or 1) // 10, 1) if params["ready"] == "10%" else 1
        waits = ready if one_by_one else 1
        return Promise({call: waits, "recvfrom": ready, "sendto": ready})

    return promise


PROBES = (
    Probe(
        name="event.select",
        workload="cyext.event.poll:Select",
        title="select, some ready of many",
        method="One operation is a copy of the set of interest and select() of that copy, up to "
        "the highest descriptor whatever FD_SETSIZE is, with a blocking time-out" + _LEVEL,
        source="lmbench, lat_select (which passes the count as nfds); " + _BANGA,
        params=_PARAMS,
        axis=_SHORTER,
        promise=_level_triggered("select"),
        headlines=(_waiting("select"),),
    ),
    Probe(
        name="event.poll",
        workload="cyext.event.poll:Poll",
        title="poll, some ready of many",
        method="One operation is poll() with a blocking time-out" + _LEVEL,
        source=_BANGA,
        params=_PARAMS,
        axis=_WATCHED,
        promise=_level_triggered("poll"),
        headlines=(_waiting("poll"),),
    ),
    Probe(
        name="event.poll_array",
        workload="cyext.event.poll:PollArray",
        title="upkeep of a poll array",
        method="One operation, without a system call, is to search one of watched descriptors, "
        "drawn at random, in the poll array from its start, to move the last entry into its place "
        "and to append it again.",
        least_effort="usual",
        source="Banga, Druschel and Mogul 1998: what the interest set costs its owner",
        axis=_SHORTER,
        clock_bound_up_to=4096,
    ),
    Probe(
        name="event.epoll",
        workload="cyext.event.queue:Epoll",
        title="epoll, some ready of many",
        method="One operation is epoll_wait(), level-triggered, with a blocking time-out" + _LEVEL,
        source=_BANGA,
        params=_PARAMS,
        axis=_WATCHED,
        promise=_level_triggered("epoll_wait"),
        headlines=(_waiting("epoll"),),
    ),
    Probe(
        name="event.epoll_et",
        workload="cyext.event.queue:EpollEdge",
        title="epoll with edges, some ready of many",
        method="One operation, all of it timed because an edge is told only once, is send() to "
        "each socket that shall be ready, one epoll_wait() on EPOLLET registrations" + _EDGE,
        least_effort="usual",
        source=_GAMMO,
        params=_PARAMS,
        axis=_FLAT,
        promise=_edge_triggered("epoll_wait"),
    ),
    Probe(
        name="event.sigio",
        workload="cyext.event.signal:Sigio",
        title="queued real-time signals, some ready of many",
        method="One operation, all of it timed because a signal comes only once, is send() to "
        "each socket that shall be ready (F_SETSIG, O_ASYNC), one sigtimedwait() for each" + _EDGE,
        least_effort="usual",
        source=_VON_LEITNER,
        params=_PARAMS,
        axis=_FLAT,
        promise=_edge_triggered("rt_sigtimedwait", one_by_one=True),
    ),
    Probe(
        name="event.io_uring",
        workload="cyext.event.uring:IoUring",
        title="io_uring polls, some ready of many",
        method="One operation is one io_uring_enter() that polls again what the operation before "
        "was told of (IORING_OP_POLL_ADD) and waits with a time-out, all others polled in the ring,"
        + _LEVEL,
        least_effort="usual",
        source="Axboe, Efficient IO with io_uring (2019)",
        params=_PARAMS,
        axis=_SHORTER,
        no_team=dict.fromkeys(TEAMS, "polls complete in the task that armed them, before the team"),
        promise=_level_triggered("io_uring_enter"),
        headlines=(_waiting("io_uring"),),
    ),
    Probe(
        name="event.kqueue",
        workload="cyext.event.queue:Kqueue",
        title="kqueue, some ready of many",
        method="One operation is kevent() with a blocking time-out" + _LEVEL,
        source=_VON_LEITNER,
        params=_PARAMS,
        axis=_WATCHED,
        no_team={"processes": "a kqueue is not inherited by a forked process"},
        promise=_level_triggered("kevent"),
        headlines=(_waiting("kqueue"),),
    ),
    Probe(
        name="event.register",
        workload="cyext.event.queue:Register",
        title="register with an event queue and leave it",
        method="One operation, with watched UDP sockets registered, is to register one more, which "
        "is idle, and to remove it.",
        least_effort="usual",
        source=_GAMMO + ": epoll_ctl decides where few connections are idle",
        params={
            "mechanism": Choice(("epoll", "kqueue"), usual=("epoll", "kqueue"), quick=("epoll",))
        },
        axis=_FLAT,
        promise=lambda params, level: Promise(
            {"epoll_ctl" if params["mechanism"] == "epoll" else "kevent": 2}
        ),
        headlines=(Headline("epoll_ctl, many", params={"mechanism": "epoll"}),),
    ),
    Probe(
        name="event.dequeue",
        workload="cyext.event.queue:Dequeue",
        title="dequeue one or many of the ready",
        method="One operation is to hear of every ready UDP socket once, all of them watched by "
        "one level-triggered epoll: by one epoll_wait() that may tell all, or by as many as are "
        "ready that may tell one each; the sockets stay ready.",
        least_effort="usual",
        source="Banga, Druschel and Mogul 1998: dequeue_next_events, one or many",
        params={"events": Choice(("one", "all"), usual=("one", "all"), quick=("one",))},
        # Beside powers of two, LEBench's 10 and 1,000.
        axis=Axis("ready", (64,), (64,), tuple(sorted({*powers_of_two(1, 4096), 10, 1000}))),
        promise=lambda params, level: Promise(
            {"epoll_wait": (level or 1) if params["events"] == "one" else 1}
        ),
    ),
    Probe(
        name="event.spread",
        workload="cyext.event.spread:Spread",
        title="events spread over threads",
        method="One operation is an event at one of as many eventfds as there are waiting threads, "
        "each in turn, which a thread hears of by epoll_wait() and consumes by read(); the threads "
        "share one level-triggered epoll, or share one and arm each source anew (oneshot), or each "
        "has one that watches all sources with EPOLLEXCLUSIVE, or one that watches a source of its "
        "own; on the same CPU it ends when all threads that woke sleep again, because the one that "
        "posts runs in the idle scheduling class; on any CPU, when the event is consumed.",
        least_effort="usual",
        source="Banga, Druschel and Mogul 1998: events dequeued by many threads; EPOLLEXCLUSIVE "
        "(Baron 2015)",
        params={
            "epoll": Choice(
                ("shared", "exclusive", "oneshot", "own"),
                usual=("shared", "exclusive", "oneshot", "own"),
                quick=("shared",),
            ),
            "cpu": Choice(("same", "free"), usual=("same",), quick=("same",)),
        },
        axis=Axis("waiters", (1, 64), quick=(1, 64), rigorous=powers_of_two(1, 256)),
        promise=Promise(
            {"write": 1}, frozenset({"sched_yield", "mmap", "mprotect", "munmap", "madvise"})
        ),
        waits=True,
        no_team=HAS_PEERS,
        counts=(
            Count("wakeups", "threads woken"),
            Count("doubles", "deliveries of consumed events"),
        ),
    ),
)
