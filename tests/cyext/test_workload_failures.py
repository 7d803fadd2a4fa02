"""A failed operation is never timed: it ends the batch with the name of the call and the errno."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import seccomp
from discovered import CURVES, PROBES, each, levels, make_one, workload_class
from held import Held, allow_descriptors, leave_descriptors, same_as
from isolated import isolated

from cyext.core.workload import LimitReached, NotSupported, OperationFailed, run_on
from cyext.event.spread import Spread
from cyext.fd.descriptors import OpenClose
from cyext.lock.wakeups import ConditionWake, FutexWake
from cyext.memory.moves import Copy
from cyext.net.herd import AcceptHerd
from cyext.process.parents import ForkExit, VforkExit
from cyext.sched.wakeups import FavouredServer
from cyext.thread.threads import CreateJoin
from cyext.timer.timers import Overshoot
from micro.probes.declaration import Probe

Forbid = Callable[..., None]
UNPRIVILEGED = 65_534


def in_process(probe: Probe) -> bool:
    """Whether the workload does the work itself, and not a program that it starts."""
    helped = ("process.fork_rss", "process.fork_maps", "container.fork_exit")
    if probe.family == "server":  # its client is here, and names what fails in the server
        return True
    return probe.params.get("image", "python") == "python" and probe.name not in helped


# One workload a probe, its first of those that do the work themselves.
IN_PROCESS = {probe.name: probe for probe in reversed([*PROBES.values()]) if in_process(probe)}
IN_PROCESS |= {
    f"{probe.name} rotating": probe
    for probe in PROBES.values()
    if probe.params.get("rotation") == "rotating"
}

#: Calls that many a workload needs: to forbid them together with others would tell nothing.
OFTEN_NEEDED = ("clone", "clone3", "kill", "mmap", "mprotect", "openat", "poll", "prlimit", "wait")

# Calls that an operation cannot do without, and how their failure must be told.
NEEDED = [
    ("event.epoll", "epoll_wait", "epoll_wait: EPERM after 0"),
    ("event.epoll rotating", "recvfrom", "recvfrom: EPERM after 0"),
    ("event.epoll rotating", "sendto", "sendto: EPERM after 0"),
    ("event.epoll_et", "epoll_wait", "epoll_wait: EPERM after 0"),
    ("event.epoll_et", "recvfrom", "recvfrom: EPERM after 0"),
    ("event.epoll_et", "sendto", "sendto: EPERM after 0"),
    ("event.io_uring", "io_uring_enter", "io_uring_enter: EPERM after 0"),
    ("event.io_uring rotating", "sendto", "sendto: EPERM after 0"),
    ("event.poll", "poll", "poll: EPERM after 0"),
    ("event.poll rotating", "recvfrom", "recvfrom: EPERM after 0"),
    ("event.select", "select", "select: EPERM after 0"),
    ("event.sigio", "sendto", "sendto: EPERM after 0"),
    ("event.sigio", "sigtimedwait", "sigtimedwait: EPERM after 0"),
    ("fd.dup_lowest", "close", "close: EPERM after 0"),
    ("fd.dup_lowest", "dup", "dup: EPERM after 0"),
    ("fd.open_close", "close", "close: EPERM after 0"),
    ("fd.open_close", "openat", "open: EPERM after 0"),
    ("fd.open_interleaved", "close", "close: EPERM after 0"),
    ("fd.open_interleaved", "openat", "open: EPERM after 0"),
    ("fd.socket_churn", "close", "close: EPERM after 0"),
    ("fd.socket_churn", "socket", "socket: EPERM after 0"),
    ("fd.socket_create", "close", "close: EPERM after 0"),
    ("fd.socket_create", "socket", "socket: EPERM after 0"),
    ("fd.table_growth", "clone", "fork: EPERM after 0"),
    ("fd.table_growth", "fcntl", "fcntl: EPERM after 0"),
    ("fd.table_growth", "wait", "waitpid: EPERM after 0"),
    ("file.create", "openat", "open: EPERM after 0"),
    ("file.create_delete", "close", "close: EPERM after 0"),
    ("mmap.map", "mmap", "mmap: EPERM after 0"),
    ("mmap.map", "munmap", "munmap: EPERM after 0"),
    ("mmap.touch", "mmap", "mmap: EPERM after 0"),
    ("mmap.touch", "munmap", "munmap: EPERM after 0"),
    ("mmap.touch", "pwrite", "pwrite: EPERM after 0"),
    ("mmap.unmap", "munmap", "munmap: EPERM after 0"),
    ("mmap.protect", "mprotect", "mprotect: EPERM after 0"),
    ("mmap.many_files", "openat", "open: EPERM after 0"),
    ("mmap.many_files", "mmap", "mmap: EPERM after 0"),
    ("mmap.many_files", "munmap", "munmap: EPERM after 0"),
    ("mmap.fault_anon", "mmap", "mmap: EPERM after 0"),
    ("mmap.fault_anon", "madvise", "madvise: EPERM after 0"),
    ("mmap.fault_anon", "munmap", "munmap: EPERM after 0"),
    ("mmap.fault_file", "mmap", "mmap: EPERM after 0"),
    ("mmap.length", "mmap", "mmap: EPERM after 0"),
    ("mmap.length", "madvise", "madvise: EPERM after 0"),
    ("mmap.length", "munmap", "munmap: EPERM after 0"),
    ("port.bind_ephemeral", "bind", "bind: EPERM after 0"),
    ("port.bind_ephemeral", "socket", "socket: EPERM after 0"),
    ("port.connect_ephemeral", "accept", "accept: EPERM after 0"),
    ("port.connect_ephemeral", "connect", "connect: EPERM after 0"),
    ("port.connect_ephemeral", "socket", "socket: EPERM after 0"),
    ("process.fork_exit", "clone", "fork: EPERM after 0"),
    ("process.fork_exit", "wait", "waitpid: EPERM after 0"),
    ("process.vfork_exit", "vfork", "vfork: EPERM after 0"),
    ("process.vfork_exit", "wait", "waitpid: EPERM after 0"),
    ("syscall.open_missing", "openat", "openat: EPERM after 0"),
    ("syscall.pread", "pread", "pread: EPERM after 0"),
    ("syscall.pwrite", "pwrite", "pwrite: EPERM after 0"),
    ("syscall.uring_nops", "io_uring_enter", "io_uring_enter: EPERM after 0"),
    ("thread.create_alive", "clone", "pthread_create: EPERM after 0"),
    ("thread.create_join", "clone", "pthread_create: EPERM after 0"),
]


@pytest.mark.parametrize(("name", "call", "text"), NEEDED)
@pytest.mark.parametrize("method", ["run", "trace", "sample"])
def test_a_failing_call_is_named(
    name: str, call: str, text: str, method: str, forbid: Forbid
) -> None:
    def check() -> None:
        probe = IN_PROCESS[name]
        workload = workload_class(probe)(**probe.params)
        if probe.axis:
            workload.grow(8)
        workload.run(1)
        forbid(call)
        methods = {"run": workload.run, "trace": workload.trace}
        with pytest.raises(OperationFailed) as caught:
            methods.get(method, lambda n: workload.sample(2, n))(4)
        failure = caught.value
        assert str(failure) == text
        assert (failure.call, failure.errno, failure.after) == (
            text.partition(":")[0],
            errno.EPERM,
            0,
        )

    isolated(check)


def test_a_server_that_cannot_close_a_connection_says_so(forbid: Forbid) -> None:
    def check() -> None:
        run_on(sorted(os.sched_getaffinity(0))[:1])
        server = FavouredServer()
        server.run(1)
        forbid("close")
        with pytest.raises(OperationFailed, match=r"^close: EPERM after 0$"):
            server.run(2)

    isolated(check)


@each({name: probe for name, probe in PROBES.items() if not in_process(probe)})
@pytest.mark.parametrize("method", ["run", "trace", "sample"])
def test_a_failure_in_a_program_that_does_the_work_is_named(
    probe: Probe, method: str, forbid: Forbid
) -> None:
    def check() -> None:
        forbid("wait")  # programs started from now on inherit this
        workload = make_one(probe)
        call = {
            "run": workload.run,
            "trace": workload.trace,
            "sample": lambda n: workload.sample(2, n),
        }
        for _ in range(2):
            with pytest.raises(OperationFailed, match=r"^(waitpid|execve): EPERM after [0-4]$"):
                call[method](4)

    isolated(check)


def fails_or_works(probe: Probe) -> str:
    """One short life; the failure, in words, or nothing."""
    try:
        workload = workload_class(probe)(**probe.params)
    except (OSError, NotSupported) as failure:
        return f"{type(failure).__name__}: {failure}"
    try:
        if probe in CURVES.values():
            some = probe.axis.of("rigorous")[:4]  # type: ignore[union-attr]
            workload.grow(min(some[-1], levels(probe)[-1]))
        assert workload.run(2) > 0
    except (OperationFailed, LimitReached) as failure:
        return f"{type(failure).__name__}: {failure}"
    finally:
        workload.close()
    return ""


@each(IN_PROCESS)
def test_a_forbidden_call_is_an_error_by_name_or_not_needed(
    probe: Probe, forbid: Forbid, scratch: Path
) -> None:
    make_one(probe).close()

    def check(*calls: str) -> str:
        before = Held.now(scratch)
        forbid(*calls, error=errno.EXDEV)
        told = fails_or_works(probe)
        if told and len(calls) > 1:
            return told  # which of them are needed is found out apart
        # A program that cannot even be loaded tells its parent by its exit status only.
        loads = probe.family == "server" or "exec" in probe.name or "spawn" in probe.name
        named = "E" if loads else "EXDEV"
        assert not told or named in told or os.strerror(errno.EXDEV) in told, (calls, told)
        # Else nothing can be seen, or nobody buried or ended.
        if {"openat", "wait", "kill"}.isdisjoint(calls):
            same_as(before, scratch)
        return told

    def check_each(calls: Sequence[str]) -> None:
        """Those that a life does without are forbidden together."""
        told = isolated(check, *calls)
        for path in scratch.iterdir():  # what could not be removed while calls were forbidden
            path.unlink()
        if told and len(calls) > 1:
            check_each(calls[: len(calls) // 2])
            check_each(calls[len(calls) // 2 :])

    for call in OFTEN_NEEDED:
        check_each([call])
    check_each(sorted(seccomp.NUMBERS.keys() - {"close", "munmap", "fcntl", *OFTEN_NEEDED}))


@pytest.mark.parametrize(
    ("name", "call", "text"),
    [
        ("event.poll", "socket", "NotSupported: no IPv4 socket: EXDEV"),
        ("event.poll", "bind", "NotSupported: no loopback network: EXDEV"),
        ("event.io_uring", "io_uring_setup", "NotSupported: io_uring_setup: EXDEV"),
        ("event.poll", "connect", "NotSupported: no loopback network: EXDEV"),
        ("event.epoll_et", "recvfrom", "NotSupported: no loopback network: EXDEV"),
        ("event.epoll", "sendto", "NotSupported: no loopback network: EXDEV"),
        ("event.epoll", "epoll_create1", "OperationFailed: epoll_create1: EXDEV after 0"),
        ("event.epoll", "epoll_ctl", "OperationFailed: epoll_ctl: EXDEV after 0"),
        ("fd.dup_lowest", "dup", "NotSupported: no descriptor: dup: EXDEV"),
        ("fd.socket_churn", "socket", "NotSupported: no descriptor: socket: EXDEV"),
        ("fd.socket_create", "socket", "NotSupported: no tcp socket: EXDEV"),
        ("fd.table_growth", "mmap", "OperationFailed: mmap: EXDEV after 0"),
        ("memory.copy", "mmap", "NotSupported: no buffer of 4096 bytes: mmap: EXDEV"),
        ("mmap.map", "mmap", "NotSupported: no page could be mapped: mmap: EXDEV"),
        ("mmap.many_files", "mmap", "NotSupported: no page could be mapped: mmap: EXDEV"),
        ("mmap.fault_anon", "mmap", "NotSupported: no page could be touched: mmap: EXDEV"),
        ("mmap.length", "madvise", "NotSupported: no page could be mapped: madvise: EXDEV"),
        (
            "port.bind_ephemeral",
            "bind",
            "NotSupported: no TCP socket could be bound over IPv4: bind: EXDEV",
        ),
        (
            "port.bind_ephemeral",
            "socket",
            "NotSupported: no TCP socket could be bound over IPv4: socket: EXDEV",
        ),
        (
            "port.connect_ephemeral",
            "socket",
            "NotSupported: no listening socket on 127.0.0.1: EXDEV",
        ),
        (
            "port.connect_ephemeral",
            "connect",
            "NotSupported: no connection could be made: connect: EXDEV",
        ),
        ("timer.arm", "timerfd_create", "NotSupported: no timer: timerfd_create: EXDEV"),
        ("timer.put_off", "timerfd_create", "NotSupported: no time-out: timerfd_create: EXDEV"),
    ],
)
def test_what_a_system_lacks_is_named(name: str, call: str, text: str, forbid: Forbid) -> None:
    def check() -> str:
        forbid(call, error=errno.EXDEV)
        return fails_or_works(IN_PROCESS[name])

    assert isolated(check) == text


@pytest.mark.parametrize(
    ("name", "call", "text"),
    [
        ("fd.dup_lowest", "dup", r"^stopped at \d+: dup: EXDEV$"),
        ("fd.open_interleaved", "openat", r"^stopped at \d+: open: EXDEV$"),
        ("fd.socket_churn", "socket", r"^stopped at \d+: socket: EXDEV$"),
        ("thread.create_alive", "clone", r"^stopped at \d+: pthread_create: EXDEV, .+$"),
        ("event.poll", "socket", r"^stopped at \d+: socket: EXDEV$"),
        ("event.epoll", "socket", r"^stopped at \d+: socket: EXDEV$"),
        ("event.epoll", "epoll_ctl", r"^epoll_ctl: EXDEV after \d+$"),
        ("event.io_uring", "socket", r"^stopped at \d+: socket: EXDEV$"),
        ("event.sigio", "socket", r"^stopped at \d+: socket: EXDEV$"),
        ("event.epoll_et", "socket", r"^stopped at \d+: socket: EXDEV$"),
        ("event.select", "socket", r"^stopped at \d+: socket: EXDEV$"),
        ("port.bind_ephemeral", "bind", r"^stopped at \d+: bind: EXDEV$"),
        ("port.connect_ephemeral", "connect", r"^stopped at \d+: connect: EXDEV$"),
        ("mmap.map", "mmap", r"^stopped at \d+: mmap: EXDEV$"),
        ("mmap.many_files", "openat", r"^stopped at \d+: open: EXDEV$"),
        ("mmap.many_files", "mmap", r"^stopped at \d+: mmap: EXDEV$"),
    ],
)
def test_growth_that_is_forbidden_names_the_call_and_keeps_the_workload(
    name: str, call: str, text: str, forbid: Forbid
) -> None:
    def check() -> None:
        workload = workload_class(IN_PROCESS[name])()
        workload.grow(64)
        forbid(call, error=errno.EXDEV)
        with pytest.raises((LimitReached, OperationFailed), match=text) as caught:
            workload.grow(128)
        if isinstance(caught.value, LimitReached):
            assert caught.value.reached == workload.level
        if family == "event":  # its operations need none of these calls
            assert workload.run(2) > 0
        else:
            with pytest.raises(OperationFailed, match=r"EXDEV after 0$"):
                workload.run(2)
        workload.close()

    family = name.partition(".")[0]
    isolated(check)


def test_a_buffer_that_cannot_be_mapped_again_is_an_error(forbid: Forbid) -> None:
    def check() -> None:
        workload = Copy()
        forbid("mmap", error=errno.EXDEV)
        with pytest.raises(LimitReached, match=r"^stopped at 0: mmap: EXDEV$"):
            workload.grow(300 << 20)  # more than a buffer has room for
        assert workload.level == 0
        with pytest.raises(OperationFailed, match=r"^mmap: ENOMEM after 0$"):
            workload.run(1)
        workload.close()

    isolated(check)


def no_more_tasks() -> None:
    """Let this process make no other process and no thread, or skip the test."""
    if os.getuid() == 0:
        os.setuid(UNPRIVILEGED)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    try:
        child = os.fork()
    except OSError:
        return
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    pytest.skip("RLIMIT_NPROC is not in force here")


@pytest.mark.parametrize(
    ("workload", "call"),
    [(ForkExit, "fork"), (VforkExit, "vfork"), (CreateJoin, "pthread_create")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_no_more_processes_is_an_error_and_no_fast_fork(workload: Any, call: str) -> None:
    def check() -> None:
        one = workload()
        no_more_tasks()
        for operation in (one.run, one.trace, lambda n: one.sample(2, n)):
            with pytest.raises(OperationFailed, match=f"^{call}: EAGAIN after 0$"):
                operation(5)
        one.close()

    isolated(check)


def test_no_more_descriptors_is_an_error_and_no_fast_open() -> None:
    def check() -> None:
        workload = OpenClose()
        leave_descriptors(0)
        with pytest.raises(OperationFailed, match=r"^open: EMFILE after 0$"):
            workload.run(1000)
        leave_descriptors(1)
        assert workload.run(1000) > 0
        allow_descriptors()
        workload.close()

    isolated(check)


@pytest.mark.parametrize("method", ["run", "trace", "sample"])
def test_a_file_that_is_gone_is_an_error_until_it_is_back(method: str, scratch: Path) -> None:
    workload = OpenClose()
    call = {"run": workload.run, "trace": workload.trace, "sample": lambda n: workload.sample(2, n)}
    try:
        (path,) = scratch.iterdir()
        path.unlink()
        for _ in range(2):
            with pytest.raises(OperationFailed, match=r"^open: ENOENT after 0$"):
                call[method](3)
        path.touch()
        assert call[method](3)
    finally:
        workload.close()
    assert list(scratch.iterdir()) == []


def with_signals(every_s: float, operation: Callable[[], object]) -> object:
    """Do that while a handled signal comes so often."""
    handled = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, every_s, every_s)
    try:
        return operation()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handled)


@pytest.mark.parametrize(
    ("call", "sleeps"),
    [("nanosleep", 500), ("clock_nanosleep", 500), ("timerfd", 500), ("epoll_wait", 80)],
)
def test_a_sleep_that_a_signal_ends_is_slept_again(call: str, sleeps: int) -> None:
    def check() -> None:
        workload = Overshoot(call)
        for _ in range(3):  # each meets the signal some times
            assert with_signals(0.02, lambda: workload.run(sleeps))
        workload.close()

    isolated(check)


@pytest.mark.parametrize("call", ["nanosleep", "epoll_wait"])
def test_sleeps_that_signals_always_end_are_an_error(call: str) -> None:
    def check() -> None:
        workload = Overshoot(call)
        with pytest.raises(OperationFailed, match=rf"^{call}: EINTR after \d+$"):
            with_signals(50e-6, lambda: workload.run(5000))
        workload.close()

    isolated(check)


@pytest.mark.parametrize("workload_class_", [FutexWake, ConditionWake, AcceptHerd, Spread])
def test_a_loop_that_cannot_yield_to_all_is_skipped_by_name(
    workload_class_: Any, forbid: Forbid, scratch: Path
) -> None:
    """It would go on before the others that it woke sleep again."""

    def check() -> None:
        before = Held.now(scratch)
        forbid("sched_setscheduler")
        with pytest.raises(NotSupported, match=r"^sched_setscheduler: EPERM"):
            workload_class_()
        same_as(before, scratch)

    isolated(check)


def test_threads_on_any_cpu_are_not_yielded_to(forbid: Forbid) -> None:
    def check() -> None:
        run_on(sorted(os.sched_getaffinity(0)))
        forbid("sched_setscheduler")
        workload = Spread(cpu="free")
        assert workload.run(2) > 0
        workload.close()

    isolated(check)
