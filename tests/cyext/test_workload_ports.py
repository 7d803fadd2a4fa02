"""Ports are really taken, also beyond what one process may hold, and all given back."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from again import again
from held import Held, children, descriptors, eventually, lives, same_as
from isolated import isolated

import cyext.core.limits
import cyext.port.ports
from cyext.core.workload import LimitReached, NotSupported, OperationFailed
from cyext.port.ports import BindEphemeral, ConnectEphemeral

LIMIT = 64
BEYOND = 300
LISTEN, TIME_WAIT = "0A", "06"

linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")


def sockets(table: str) -> list[tuple[int, int, str, int]]:
    """Local port, remote port, state and inode of each socket in one table of this system."""
    rows = [line.split() for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    return [
        (
            int(row[1].rpartition(":")[2], 16),
            int(row[2].rpartition(":")[2], 16),
            row[3],
            int(row[9]),
        )
        for row in rows
    ]


def inodes(pid: int) -> set[int]:
    """The sockets that a process holds, by their inodes."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:  # the descriptor that listed
            continue
        if match:
            found.add(int(match[1]))
    return found


def ports_held(table: str = "udp") -> list[int]:
    """The local ports of all sockets of this process and its children. Bound TCP has no table."""
    held = set().union(*(inodes(pid) for pid in (os.getpid(), *children())))
    return [local for local, _remote, _state, inode in sockets(table) if inode in held]


def so_many_held(count: int, table: str = "udp") -> list[int]:
    """The same once they are so many: a table leaves rows out while others change it."""
    return again(lambda: ports_held(table), lambda ports: len(ports) == count)


@linux
@pytest.mark.parametrize("ip", ["4", "6"])
def test_each_bound_socket_has_a_port_of_its_own(ip: str) -> None:
    def check() -> None:
        try:
            workload = BindEphemeral("udp", ip)
        except NotSupported as reason:
            pytest.skip(str(reason))
        low, high = cyext.core.limits.ephemeral_ports() or (1, 65535)
        for level in (1, 100, 10, 50):
            workload.grow(level)
            workload.run(workload.max_batch)
            ports = so_many_held(level, "udp" if ip == "4" else "udp6")
            assert len(set(ports)) == len(ports) == level
            assert all(low <= port <= high for port in ports)
        workload.close()

    isolated(check)


def beyond_the_limit() -> Any:
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    workload = BindEphemeral("udp")
    workload.grow(BEYOND)
    return workload


@linux
def test_what_one_process_may_not_hold_its_children_do(scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        workload = beyond_the_limit()
        assert workload.level == BEYOND
        assert len(children()) >= BEYOND // LIMIT
        for n in (1, workload.max_batch):
            workload.run(n)
            workload.trace(n)
            workload.sample(2, n)
            assert len(set(so_many_held(BEYOND))) == BEYOND
        workload.grow(BEYOND + 50)
        assert len(set(so_many_held(BEYOND + 50))) == BEYOND + 50
        workload.grow(8)  # down again: nobody else needs to hold anything
        assert eventually(lambda: children() == [])
        assert len(so_many_held(8)) == 8
        assert workload.run(4) > 0
        workload.grow(BEYOND)
        assert len(set(so_many_held(BEYOND))) == BEYOND
        with pytest.raises(LimitReached, match=f"RLIMIT_NOFILE hard limit {LIMIT} in each of 17"):
            workload.grow(5000)
        assert workload.run(1) > 0
        workload.close()
        workload.close()
        same_as(before, scratch)

    isolated(check)


@linux
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, 0])
def test_holders_end_with_their_owner(end: int) -> None:
    receive, send = os.pipe()
    owner = os.fork()
    if owner == 0:
        try:
            workload = beyond_the_limit()
            os.write(send, ",".join(map(str, children())).encode())
            if end:
                os.kill(os.getpid(), end)
            assert workload.level == BEYOND
        finally:
            os._exit(0)  # no destructor runs
    holders = [int(pid) for pid in os.read(receive, 4096).split(b",")]
    os.waitpid(owner, 0)
    os.close(send)
    assert holders
    assert eventually(lambda: not any(lives(pid) for pid in holders))
    os.set_blocking(receive, False)
    assert os.read(receive, 1) == b""  # nobody is left who could write
    os.close(receive)


def test_a_workload_dropped_without_close_ends_its_holders() -> None:
    def check() -> None:
        before = descriptors()
        workload = beyond_the_limit()
        del workload
        assert children() == []
        assert descriptors() == before

    isolated(check)


def test_no_process_for_a_holder_is_a_limit_by_name(forbid: Any) -> None:
    def check() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        workload = BindEphemeral()
        forbid("clone")
        with pytest.raises(LimitReached, match="fork: EPERM") as caught:
            workload.grow(BEYOND)
        assert 8 <= caught.value.reached == workload.level < LIMIT
        assert workload.run(workload.max_batch) > 0
        workload.close()

    isolated(check)


def test_the_range_of_ports_ends_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyext.port.ports, "ephemeral_ports", lambda: (40000, 40099))
    workload = BindEphemeral()
    with pytest.raises(LimitReached, match=r"net\.ipv4\.ip_local_port_range holds 100 ports"):
        workload.grow(1000)
    assert 50 < workload.level < 100
    workload.grow(80)
    assert workload.max_batch <= 20
    workload.close()


def test_an_unknown_range_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyext.port.ports, "ephemeral_ports", lambda: None)
    workload = BindEphemeral()
    workload.grow(100)
    assert workload.level == 100
    assert workload.run(8) > 0
    workload.close()


@linux
@pytest.mark.parametrize("bind", ["none", "bind", "no_port"])
def test_as_many_are_connected_as_the_level_says_and_none_waits_afterwards(bind: str) -> None:
    def check() -> None:
        try:
            workload = ConnectEphemeral(bind)
        except NotSupported as reason:
            pytest.skip(str(reason))
        held = inodes(os.getpid())

        def servers() -> list[int]:
            return [row[0] for row in sockets("tcp") if row[2] == LISTEN and row[3] in held]

        (server,) = again(servers, lambda found: len(found) == 1)

        def clients() -> int:
            mine, rows = inodes(os.getpid()), sockets("tcp")
            return len({row[0] for row in rows if row[3] in mine and row[1] == server})

        for level in (1, 40, 5, 20):
            workload.grow(level)
            workload.run(workload.max_batch)
            workload.sample(3, 2)
            assert again(clients, level.__eq__) == level
            assert len(inodes(os.getpid())) == 2 * level + 1
        workload.close()
        waiting = [row for row in sockets("tcp") if server in row[:2] and row[2] == TIME_WAIT]
        assert waiting == []

    isolated(check)


@pytest.mark.parametrize("bind", ["bind", "no_port"])
def test_a_bind_that_fails_ends_the_batch_and_leaves_nothing(
    bind: str, forbid: Any, scratch: Path
) -> None:
    def check() -> None:
        before = Held.now(scratch)
        workload = ConnectEphemeral(bind)
        workload.grow(10)
        held = Held.now(scratch)
        forbid("bind")
        for _ in range(2):
            with pytest.raises(OperationFailed, match=r"^bind: EPERM after 0$"):
                workload.run(4)
            same_as(held, scratch)
        workload.close()
        same_as(before, scratch)

    isolated(check)


def test_a_missing_option_is_a_skip_by_name(forbid: Any) -> None:
    def check() -> None:
        forbid("setsockopt")
        with pytest.raises(NotSupported, match="EPERM"):
            ConnectEphemeral("no_port")

    isolated(check)


def test_the_range_is_read() -> None:
    found = cyext.core.limits.ephemeral_ports()
    if found is None:
        pytest.skip("this system does not tell")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        some.bind(("127.0.0.1", 0))
        assert found[0] <= some.getsockname()[1] <= found[1]
