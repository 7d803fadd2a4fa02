"""Timers: how late a sleeper wakes, what a timer costs beside many others, and what disturbs."""

from collections.abc import Mapping

from micro.probes.declaration import (
    TIMES_ITSELF,
    Axis,
    Choice,
    Probe,
    powers_of_two,
)
from runners.model.benchmark import Scalar
from runners.model.count import Count
from runners.model.job import Promise

_CALLS = ("nanosleep", "clock_nanosleep", "timerfd", "epoll_wait")


def _one(usual: str, *others: str) -> Choice:
    return Choice((usual, *others), usual=(usual,), quick=(usual,))


def _sleeps(params: Mapping[str, Scalar], level: int | None) -> Promise:
    if params["call"] == "timerfd":
        return Promise({"timerfd_settime": 1, "read": 1})
    called = "epoll_wait" if params["call"] == "epoll_wait" else "clock_nanosleep"
    return Promise({called: 1})


def _puts_off(params: Mapping[str, Scalar], level: int | None) -> Promise:
    by = str(params["by"])
    calls = {"timerfd": {"timerfd_settime": 1}, "epoll_wait": {}, "setitimer": {"setitimer": 1}}
    return Promise({"epoll_wait": 1, **calls[by]})


PROBES = (
    Probe(
        name="timer.overshoot",
        workload="cyext.timer.timers:Overshoot",
        title="how late a sleeper wakes",
        method="One operation is the time between the moment that a sleeper asked for, 100 µs "
        "ahead (1 ms for epoll_wait(), which counts in milliseconds), and the moment at which it "
        "runs again; the CPU is idle or has a busy thread; with slack=default the system may put "
        "off the wake-up by the timer slack (50 µs on Linux), with slack=least by 1 ns.",
        source="lmbench, lat_usleep (McVoy and Staelin 1996); cyclictest",
        params={
            "call": _one(*_CALLS),
            "load": Choice(("idle", "busy"), usual=("idle",), quick=("idle",)),
            "slack": _one("default", "least"),
            "scheduler": _one("other", "fifo"),
        },
        no_team=TIMES_ITSELF,
        promise=_sleeps,
        clock_bound_up_to=0,
        waits=True,
        least_effort="usual",
    ),
    Probe(
        name="timer.arm",
        workload="cyext.timer.timers:Arm",
        title="arm and cancel a timer",
        method="One operation is timerfd_settime() of a moment far ahead and timerfd_settime() "
        "that cancels it, while the other timers are pending, each for another moment.",
        source="Banga, Druschel and Mogul 1998: a server has a time-out for each connection",
        axis=Axis(
            "pending",
            (1, 16, 256, 4096, 16384),
            quick=(1, 16),
            rigorous=powers_of_two(1, 16384),
        ),
        promise=Promise({"timerfd_settime": 2}),
        least_effort="usual",
    ),
    Probe(
        name="timer.put_off",
        workload="cyext.timer.timeouts:PutOff",
        title="put off a connection's time-out",
        method="One operation is to put off the time-out of a connection, drawn at random, and "
        "epoll_wait(), which one other descriptor is ready for; the time-outs of all connections "
        "are timers of the system, a timerfd each, which the same epoll watches, or stand in a "
        "binary heap in memory, whose first is the time-out of epoll_wait() or is given to "
        "setitimer(); no time-out ends.",
        source="Banga, Druschel and Mogul 1998; Varghese and Lauck, Hashed and Hierarchical "
        "Timing Wheels (1987)",
        params={
            "by": Choice(
                ("timerfd", "epoll_wait", "setitimer"),
                usual=("timerfd", "epoll_wait"),
                quick=("timerfd",),
            )
        },
        axis=Axis("connections", (1, 4096), quick=(1,), rigorous=powers_of_two(1, 16384)),
        promise=_puts_off,
        least_effort="usual",
    ),
    Probe(
        name="timer.noise",
        workload="cyext.timer.timers:Noise",
        title="fixed work, and the longest gap in it",
        method="One operation is a quantum of dependent multiply-adds in registers, about 20 µs, "
        "and a look at the clock; whatever the system or the machine does meanwhile makes a "
        "quantum longer, so the distribution of single quanta is the noise; the longest gap and "
        "the lost time are what the longest quantum, and all together, took beyond the shortest, "
        "on cores of our own or not.",
        source="the fixed work quantum benchmark, FWQ (Sottile and Minnich 2004; Lawrence "
        "Livermore National Laboratory)",
        counts=(
            Count("longest_gap_us", "µs longest gap"),
            Count("lost_ppm", "millionths of the time lost"),
        ),
        slices=100,
        no_team=TIMES_ITSELF,
        least_effort="usual",
    ),
)
