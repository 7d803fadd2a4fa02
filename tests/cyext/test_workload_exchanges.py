"""Servers under load: each message of a batch reaches whom it is for, and failures are named."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from held import children
from isolated import isolated

import cyext.server.chat
from cyext.core.workload import LimitReached, OperationFailed, run_on
from cyext.server.chat import Chat
from cyext.server.exchanges import RequestResponse

linux = pytest.mark.skipif(sys.platform != "linux", reason="bytes are counted on Linux only")
BYTES_RECEIVED = 128  # where Linux's tcp_info has them


@pytest.fixture(autouse=True)
def cpus() -> Iterator[None]:
    """The CPUs that a worker would tell its workloads."""
    run_on(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])
    yield
    run_on(())


def received() -> dict[int, int]:
    """Bytes that the ends of all TCP connections of this process have received, by descriptor."""
    found = {}
    sockets = [fd for fd in Path("/proc/self/fd").iterdir() if fd.is_socket()]
    for fd in (int(path.name) for path in sockets):
        with socket.socket(fileno=os.dup(fd)) as end:
            if end.family == socket.AF_INET and end.type == socket.SOCK_STREAM:
                told = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                found[fd] = struct.unpack_from("=Q", told, BYTES_RECEIVED)[0]
    return found


def received_in(workload: RequestResponse | Chat, n: int) -> list[int]:
    """Bytes that each end received in a batch, ascending."""
    before = received()
    workload.run(n)
    after = received()
    return sorted(after[fd] - before[fd] for fd in before)


@linux
@pytest.mark.parametrize("peer", ["process", "thread"])
def test_exchanges_are_spread_over_all_connections(peer: str) -> None:
    workload = RequestResponse(clients=3, peer=peer)
    workload.grow(9)
    assert received_in(workload, 9) == [4] * 18
    assert received_in(workload, 9 * 5) == [20] * 18
    assert sum(received_in(workload, 31)) == 31 * 2 * 4
    workload.close()


def test_a_client_without_a_connection_does_not_run() -> None:
    workload = RequestResponse(clients=16, peer="thread")
    for connections in (1, 3, 20, 2):
        workload.grow(connections)
        assert workload.run(connections) > 0
    workload.close()


@linux
@pytest.mark.parametrize("model", ["threads", "event"])
def test_each_user_hears_what_each_other_in_the_room_says(model: str) -> None:
    workload = Chat(model)
    workload.grow(2)
    said_and_heard = [100] * 40 + [1900] * 40
    assert received_in(workload, 2 * 380) == said_and_heard
    assert received_in(workload, 2 * 380 * 3) == [3 * each for each in said_and_heard]
    for heard, said in ((1, 1), (19, 1), (20, 2), (1000, 53)):
        assert sum(received_in(workload, heard)) == 100 * (heard + said)
    workload.close()


@linux
def test_threads_that_hand_messages_on_go_to_sleep_between_them() -> None:
    workload = Chat("threads")
    workload.count(True)
    workload.run(380)
    assert 0 < workload.counts()["voluntary_switches"] < 10
    workload.close()


def test_a_loop_or_a_client_that_dies_is_named() -> None:
    def check() -> None:
        workload = RequestResponse(clients=2, peer="process")
        workload.grow(4)
        os.kill(children()[0], signal.SIGKILL)
        with pytest.raises(OperationFailed, match=r"^peer process: ECHILD after 0$"):
            workload.run(50)
        workload.close()

    isolated(check)


def test_more_rooms_than_threads_may_live_are_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyext.server.chat, "more_tasks", lambda _bytes: (100, "a limit of 181"))
    workload = Chat("threads")
    with pytest.raises(LimitReached, match=r"^stopped at 2: a limit of 181$"):
        workload.grow(4)
    assert workload.run(20) > 0
    workload.close()
