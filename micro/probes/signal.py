"""Signals: what it costs to be told."""

from micro.probes.declaration import HAS_PEERS, Choice, Headline, Probe
from runners.model.count import SWITCHES
from runners.model.job import Promise

_LMBENCH = "lmbench, lat_sig (McVoy and Staelin 1996)"
_CPU = Choice(("same", "other"), usual=("same", "other"), quick=("same",))

PROBES = (
    Probe(
        name="signal.install",
        workload="cyext.signal.signals:Install",
        title="install a signal handler",
        method="One operation is sigaction() that installs a handler for a signal that already "
        "has the same handler.",
        source=_LMBENCH,
        least_effort="usual",
        promise=Promise({"rt_sigaction": 1}),
    ),
    Probe(
        name="signal.catch",
        workload="cyext.signal.signals:Catch",
        title="send a signal to oneself and catch it",
        method="One operation is a signal that a thread sends to itself, by tgkill() on Linux, "
        "and the run of its handler, which counts the signal and returns.",
        source=f"{_LMBENCH}; will-it-scale, signal1",
        promise=Promise({"tgkill": 1, "rt_sigreturn": 1}),
        headlines=(Headline("signal", "System calls"),),
    ),
    Probe(
        name="signal.mask",
        workload="cyext.signal.signals:Mask",
        title="block and unblock a signal",
        method="One operation is sigprocmask() to block a signal and sigprocmask() to unblock it.",
        source="libMicro, sigprocmask",
        least_effort="usual",
        promise=Promise({"rt_sigprocmask": 2}),
    ),
    Probe(
        name="signal.queue",
        workload="cyext.signal.signals:Queue",
        title="queue a real-time signal and take it",
        method="One operation is rt_tgsigqueueinfo(), which queues a blocked real-time signal "
        "with a value to the calling thread, and sigtimedwait(), which takes the signal and its "
        "value immediately.",
        source="Linux Scalability Project (Michigan 1999): POSIX real-time signals as events",
        least_effort="usual",
        promise=Promise({"rt_tgsigqueueinfo": 1, "rt_sigtimedwait": 1}),
    ),
    Probe(
        name="signal.fault",
        workload="cyext.signal.signals:Fault",
        title="catch a protection fault",
        method="One operation is a store to a read-only page: the fault, SIGSEGV, and its "
        "handler, which counts the signal and returns to the instruction after the store.",
        source=f"{_LMBENCH}; collectors and sandboxes that protect pages",
        least_effort="usual",
        promise=Promise({"rt_sigreturn": 1}),
    ),
    Probe(
        name="signal.to_thread",
        workload="cyext.signal.signals:ToThread",
        title="signal another thread and read its answer",
        method="One operation is a signal to another thread, which sleeps in pause() on the same "
        "CPU or on another, the byte that its handler writes to a pipe, and the read() of that "
        "byte.",
        source="virtual machines and runtimes that interrupt their threads",
        params={"cpu": _CPU},
        least_effort="usual",
        no_team=HAS_PEERS,
        promise=Promise({"tgkill": 1, "read": 1}),
        waits=True,
        counts=SWITCHES,
    ),
)
