"""Locks: what mutual exclusion costs, uncontended and among members of a team."""

from micro.probes.declaration import Axis, Probe
from runners.machine.environment import usable_cpus
from runners.model.count import SWITCHES
from runners.model.job import Promise

_CPUS = len(usable_cpus())
_MEMBERS = tuple(sorted({1, 2, _CPUS, 2 * _CPUS}))
_PROMISE = Promise(tolerated=frozenset({"futex"}))
_METHOD = (
    "One operation is pthread_mutex_lock(), four dependent multiply-adds and "
    "pthread_mutex_unlock(); all {members} use one {kind}mutex, member i on CPU i modulo the CPUs, "
    "and the last to end counts."
)

PROBES = (
    Probe(
        name="lock.mutex",
        workload="cyext.lock.mutexes:Mutex",
        title="lock and unlock a mutex of threads",
        method=_METHOD.format(members="threads", kind=""),
        source="will-it-scale pthread_mutex; libMicro mutex",
        params={"shared": "private"},
        axis=Axis("threads", _MEMBERS, quick=(1, 2), kind="members"),
        workers="threads",
        promise=_PROMISE,
        waits=True,
        counts=SWITCHES,
    ),
    Probe(
        name="lock.mutex_processes",
        workload="cyext.lock.mutexes:Mutex",
        title="lock and unlock a mutex of processes",
        method=_METHOD.format(members="processes", kind="process-shared "),
        source="will-it-scale pthread_mutex; locks between processes, Linux Scalability Project",
        params={"shared": "process"},
        axis=Axis("processes", _MEMBERS, quick=(1, 2), kind="members"),
        workers="processes",
        promise=_PROMISE,
        waits=True,
        counts=SWITCHES,
    ),
)
