"""Waits find exactly the sockets that are ready: the tests look at them from outside."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from isolated import isolated

from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.event.poll import Poll, PollArray, Select
from cyext.event.queue import Epoll, EpollEdge, Kqueue
from cyext.event.signal import Sigio
from cyext.event.uring import IoUring, why_not

LEVEL_TRIGGERED = [Select, Poll, Epoll, Kqueue, IoUring]
EDGE_TRIGGERED = [EpollEdge, Sigio]
WAITS = LEVEL_TRIGGERED + EDGE_TRIGGERED
FD_SETSIZE = 1024

by_wait = pytest.mark.parametrize("workload_class", WAITS, ids=lambda workload: workload.__name__)
by_level_triggered = pytest.mark.parametrize(
    "workload_class", LEVEL_TRIGGERED, ids=lambda workload: workload.__name__
)
by_ready = pytest.mark.parametrize("ready", ["1", "10%"])
by_rotation = pytest.mark.parametrize("rotation", ["fixed", "rotating"])


def made(workload_class: Any, *args: str) -> Any:
    try:
        return workload_class(*args)
    except NotSupported as reason:
        pytest.skip(str(reason))


def sockets() -> list[int]:
    """Every UDP socket of this process."""
    found = []
    for fd in range(2048):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                one = socket.socket(fileno=fd)
                found += [fd] if one.type == socket.SOCK_DGRAM else []
                one.detach()
    return found


def readable() -> list[int]:
    poller = select.poll()
    for fd in sockets():
        poller.register(fd, select.POLLIN)
    return sorted(fd for fd, _ in poller.poll(0))


def spoil(workload: Any, harm: Callable[[list[int]], None]) -> None:
    """Change what is ready behind the workload's back."""
    workload.run(5)
    harm(sockets())
    with pytest.raises(OperationFailed) as caught:
        workload.run(50)
    # Of epoll's answer only so much is read as should be there: another socket, or a datagram more.
    assert caught.value.errno in (errno.EBADMSG, errno.EAGAIN)


@by_level_triggered
@by_ready
@by_rotation
def test_as_many_are_ready_as_the_level_says(
    workload_class: Any, ready: str, rotation: str
) -> None:
    def check() -> None:
        workload = made(workload_class, ready, rotation)
        for level in (1, 2, 9, 64, 300, 64, 1):
            workload.grow(level)
            assert len(sockets()) == level
            for _ in range(3):
                assert len(readable()) == (max(level // 10, 1) if ready == "10%" else 1)
                workload.run(7)
        workload.close()

    isolated(check)


@pytest.mark.parametrize("workload_class", EDGE_TRIGGERED, ids=lambda workload: workload.__name__)
@by_ready
@by_rotation
def test_an_edge_leaves_nothing_ready(workload_class: Any, ready: str, rotation: str) -> None:
    def check() -> None:
        workload = made(workload_class, ready, rotation)
        for level in (1, 2, 64, 300, 64):
            workload.grow(level)
            assert workload.run(7) > 0
            assert len(sockets()) == level
            assert readable() == []
        workload.close()

    isolated(check)


@by_level_triggered
def test_ready_sockets_are_spread_evenly(workload_class: Any) -> None:
    def check() -> None:
        one, tenth = made(workload_class, "1", "fixed"), made(workload_class, "10%", "fixed")
        mine = sockets()
        one.grow(50)
        assert [sockets().index(fd) for fd in readable() if fd not in mine] == [26]
        one.close()
        tenth.grow(50)
        assert [sockets().index(fd) for fd in readable()] == [5, 15, 25, 35, 45]
        tenth.close()

    isolated(check)


@by_level_triggered
def test_readiness_rotates_over_every_active_socket(workload_class: Any) -> None:
    def check() -> None:
        workload = made(workload_class, "1", "rotating")
        workload.grow(12)
        seen = []
        for _ in range(12):
            seen += readable()
            workload.run(1)
        assert sorted(seen) == sockets()
        workload.close()

    isolated(check)


@by_level_triggered
@by_ready
def test_fixed_readiness_stays_where_it_is(workload_class: Any, ready: str) -> None:
    def check() -> None:
        workload = made(workload_class, ready, "fixed")
        workload.grow(64)
        before = readable()
        workload.run(20)
        assert readable() == before
        workload.close()

    isolated(check)


def send_to(fd: int) -> None:
    with socket.socket(fileno=os.dup(fd)) as one:
        with suppress(OSError):
            one.bind(("127.0.0.1", 0))
        one.sendto(b"x", one.getsockname())


@by_wait
def test_a_stranger_that_is_ready_too_is_an_error(workload_class: Any) -> None:
    def check() -> None:
        workload = made(workload_class, "1", "fixed")
        workload.grow(64)
        spoil(workload, lambda fds: send_to(fds[-1]))
        workload.close()

    isolated(check)


@by_level_triggered
def test_one_ready_socket_for_another_is_an_error(workload_class: Any) -> None:
    def exchange(fds: list[int]) -> None:
        for fd in readable():
            os.read(fd, 1)
        send_to(fds[-1])

    def check() -> None:
        workload = made(workload_class, "1", "fixed")
        workload.grow(64)
        spoil(workload, exchange)
        workload.close()

    isolated(check)


# io_uring would wait for it: ten seconds.
@pytest.mark.parametrize(
    "workload_class", [Select, Poll, Epoll], ids=lambda workload: workload.__name__
)
def test_one_ready_socket_less_is_an_error(workload_class: Any) -> None:
    def check() -> None:
        workload = made(workload_class, "10%", "fixed")
        workload.grow(64)
        spoil(workload, lambda fds: os.read(readable()[2], 1) and None)
        workload.close()

    isolated(check)


def test_growing_mends_what_a_failed_batch_left() -> None:
    def check() -> None:
        workload = Poll("10%", "rotating")
        workload.grow(100)
        os.read(readable()[0], 1)
        with pytest.raises(OperationFailed):
            workload.run(20)
        workload.grow(90)
        assert len(readable()) == 9
        assert workload.run(20) > 0
        workload.close()

    isolated(check)


def test_select_looks_beyond_its_set_size() -> None:
    def check() -> None:
        workload = made(Select)
        try:
            workload.grow(FD_SETSIZE + 400)
        except LimitReached as limit:
            pytest.skip(str(limit))
        assert max(sockets()) > FD_SETSIZE
        workload.run(3)
        spoil(workload, lambda fds: send_to(max(fds)))
        workload.close()

    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FD_SETSIZE + 600:
        pytest.skip("the hard limit is low")
    isolated(check)


def test_a_system_that_forbids_that_ends_the_curve_of_select(forbid: Callable[..., None]) -> None:
    def check() -> None:
        workload = made(Select)
        workload.grow(64)
        forbid("select", error=errno.EINVAL)  # what such a system answers
        workload.grow(128)
        with pytest.raises(LimitReached, match=f"FD_SETSIZE {FD_SETSIZE}") as caught:
            workload.grow(FD_SETSIZE + 400)
        assert caught.value.reached == workload.level == len(sockets())
        assert FD_SETSIZE - 64 < workload.level < FD_SETSIZE
        workload.close()

    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FD_SETSIZE + 600:
        pytest.skip("the hard limit is low")
    isolated(check)


def test_no_more_ports_ends_the_curve(forbid: Callable[..., None]) -> None:
    def check() -> None:
        workload = Poll("10%", "fixed")
        workload.grow(100)
        forbid("bind", error=errno.EADDRINUSE)
        with pytest.raises(LimitReached, match="bind: EADDRINUSE") as caught:
            workload.grow(200)
        assert caught.value.reached == workload.level == len(sockets())
        assert workload.run(5) > 0
        workload.close()

    isolated(check)


def test_the_poll_array_is_not_longer_than_poll_would_take() -> None:
    def check() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        workload = PollArray()
        with pytest.raises(LimitReached, match="RLIMIT_NOFILE hard limit 100"):
            workload.grow(101)
        assert workload.level == 100
        assert workload.run(1000) > 0
        workload.close()

    isolated(check)


def test_a_full_queue_of_signals_is_an_error_and_no_wait() -> None:
    def check() -> None:
        workload = made(Sigio, "10%", "fixed")
        workload.grow(1000)
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (40, 40))
        with pytest.raises(OperationFailed, match="SIGIO, the queue was full"):
            workload.run(3)
        with pytest.raises(LimitReached, match="RLIMIT_SIGPENDING soft limit 40") as caught:
            workload.grow(1000)
        assert caught.value.reached == 200
        assert workload.run(3) > 0
        workload.close()

    if not hasattr(resource, "RLIMIT_SIGPENDING"):
        pytest.skip("no limit on queued signals")
    isolated(check)


def test_signals_are_blocked_only_as_long_as_someone_waits_for_them() -> None:
    def check() -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        first, second = made(Sigio), Sigio()
        first.close()
        second.run(1)
        send_to(sockets()[0])  # would end the process
        assert len(signal.pthread_sigmask(signal.SIG_BLOCK, [])) == len(before) + 2
        second.close()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
        assert signal.sigpending() == set()

    isolated(check)


def test_a_forbidden_ring_is_skipped_with_the_reason(forbid: Callable[..., None]) -> None:
    def check(error: int, reason: str) -> None:
        forbid("io_uring_setup", error=error)
        with pytest.raises(NotSupported, match=reason):
            IoUring()
        assert sockets() == []

    isolated(check, errno.ENOSYS, "this system has no io_uring")
    isolated(check, errno.EPERM, r"workload\.io_uring_disabled=[12]$|seccomp filter")
    assert "5.11" in why_not(errno.ENOTSUP)


def can_be_bound(address: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind(address)
        except OSError:
            return False
    return True


def test_polls_of_closed_sockets_are_taken_back() -> None:
    def check() -> None:
        workload = made(IoUring, "10%", "rotating")
        workload.grow(500)
        workload.run(20)
        addresses = []
        for fd in sockets()[-10:]:
            with socket.socket(fileno=os.dup(fd)) as one:
                addresses.append(one.getsockname())
        workload.grow(100)
        # Polls that still waited would keep their sockets and ports; another program may take some.
        assert any(map(can_be_bound, addresses))
        workload.close()

    isolated(check)
