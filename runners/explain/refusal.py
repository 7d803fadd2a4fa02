"""Why this system lets nobody sample, and what it would take: one sentence each."""

from __future__ import annotations

import errno
from pathlib import Path

from runners.explain.symbols import NoSymbols, kernel_symbols
from runners.machine import environment
from runners.machine.environment import ROOT

PARANOID = "kernel.perf_event_paranoid"


def reason(error: int, root: Path = ROOT) -> str:
    """The sentence for an errno of perf_event_open."""
    name = errno.errorcode.get(error, f"error {error}")
    if environment.operating_system(root) == "gvisor":
        return "gVisor has no perf_event_open: explain on the host, or under another runtime"
    filtered = environment.fields(environment.read("proc/self/status", root)).get("Seccomp") == [
        "2"
    ]
    if filtered and error in (errno.EPERM, errno.ENOSYS, errno.EACCES):
        return (
            f"a seccomp filter refuses perf_event_open ({name}): it takes a profile that allows "
            "the call (docker and podman: --cap-add PERFMON, or --security-opt seccomp=FILE)"
        )
    if error == errno.ENOSYS:
        return "this kernel has no perf_event_open: it takes one built with CONFIG_PERF_EVENTS"
    paranoid = environment.number(environment.read("proc/sys/kernel/perf_event_paranoid", root))
    if error in (errno.EACCES, errno.EPERM) and paranoid is not None and paranoid > 1:
        return (
            f"{PARANOID} is {paranoid}: to sample the kernel it takes {PARANOID}=1 "
            "(sysctl, root), CAP_PERFMON with CAP_SYSLOG, or root"
        )
    if error in (errno.EACCES, errno.EPERM):
        return (
            f"perf_event_open: {name}, by a security module or a missing capability: it takes "
            "CAP_PERFMON or root"
        )
    return f"perf_event_open: {name}"


def cannot_explain(root: Path = ROOT) -> str | None:
    """Why nothing can be sampled and named here, or None: by one short try."""
    from cyext.core.sampler import Sampler  # noqa: PLC0415 - compiled code
    from cyext.core.workload import NotSupported  # noqa: PLC0415

    try:
        Sampler(environment.usable_cpus(root)[:1], 1_000_000).close()
        kernel_symbols(root / "proc/kallsyms")
    except NotSupported as unsupported:
        return str(unsupported)
    except NoSymbols as hidden:
        return str(hidden)
    except OSError as refused:
        return reason(refused.errno or 0, root)
    return None
