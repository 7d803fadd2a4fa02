"""Locks: what mutual exclusion costs, uncontended and among members of a team."""

from typing import Literal

from micro.probes.declaration import Axis, Probe
from runners.machine.environment import usable_cpus
from runners.model.count import SWITCHES
from runners.model.job import Promise

_CPUS = len(usable_cpus())
_MEMBERS = tuple(sorted({1, 2, _CPUS, 2 * _CPUS}))
_PROMISE = Promise(tolerated=frozenset({"futex"}))


def _mutex(
    name: str, members: Literal["threads", "processes"], shared: str, kind: str, source: str
) -> Probe:
    """The probe of a mutex that all members of a team use."""
    return Probe(
        name=name,
        workload="cyext.lock.mutexes:Mutex",
        title=f"lock and unlock a mutex of {members}",
        method="One operation is pthread_mutex_lock(), four dependent multiply-adds and "
        f"pthread_mutex_unlock(); all {members} use one {kind}mutex, member i on CPU i modulo the "
        "CPUs, and the last to end counts.",
        source=source,
        params={"shared": shared},
        axis=Axis(members, _MEMBERS, quick=(1, 2), kind="members"),
        workers=members,
        promise=_PROMISE,
        waits=True,
        counts=SWITCHES,
    )


PROBES = (
    _mutex("lock.mutex", "threads", "private", "", "will-it-scale pthread_mutex; libMicro mutex"),
    _mutex(
        "lock.mutex_processes",
        "processes",
        "process",
        "process-shared ",
        "will-it-scale pthread_mutex; locks between processes, Linux Scalability Project",
    ),
)
