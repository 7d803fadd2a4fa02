"""Control groups: what it costs an operation that the system keeps accounts of groups."""

from collections.abc import Mapping
from dataclasses import replace

from cyext.core.page_sizes import SMALL_PAGES
from micro.probes.declaration import Choice, Probe
from micro.probes.fd import PROBES as FD
from micro.probes.mmap import PROBES as MMAP
from micro.probes.process import PROBES as PROCESS
from micro.probes.syscall import PROBES as SYSCALL
from runners.model.benchmark import Scalar
from runners.model.job import TEAMS

_PARAMS = {
    "controller": Choice(("memory", "cpu", "pids", "v2"), usual=("memory",), quick=("memory",)),
    "depth": Choice((0, 1, 4, 16), usual=(0, 16), quick=(0,)),
}


def _contained(
    name: str, own: str, workload: str, title: str, params: Mapping[str, Scalar]
) -> Probe:
    """The probe ``name``, in groups."""
    plain = next(probe for probe in (*FD, *MMAP, *PROCESS, *SYSCALL) if probe.name == name)
    promise = plain.promised(params, None)
    return replace(
        plain,
        name=f"container.{own}",
        workload=f"cyext.container.contained:{workload}",
        title=title,
        method=f"One operation is that of {name}, in a process that was moved into the innermost "
        "of depth nested control groups (cgroups) below its own, in the hierarchy that has the "
        "controller (v2: in that of version 2, without any); at depth 0 it stays where it was, and "
        "moving is not timed.",
        source="Banga, Druschel and Mogul 1999, resource containers: what their accounts cost",
        params=_PARAMS,
        promise=promise,
        counts=(),
        least_effort="usual",
        no_team=dict.fromkeys(TEAMS, "its process is in groups of its own"),
        needs_no_reference=f"{name} has one, and the loop is the same",
        headlines=(),
    )


PROBES = (
    _contained(
        "syscall.getppid", "null_call", "NullCall", "null system call in control groups", {}
    ),
    _contained(
        "mmap.fault_anon",
        "page_fault",
        "PageFault",
        "page fault in control groups",
        {"pages": SMALL_PAGES},
    ),
    _contained(
        "process.fork_exit",
        "fork_exit",
        "ForkExit",
        "fork, exit and wait in control groups",
        {"image": "static"},
    ),
    _contained(
        "fd.socket_create",
        "socket",
        "Socket",
        "make and close a socket in control groups",
        {"family": "tcp"},
    ),
)
