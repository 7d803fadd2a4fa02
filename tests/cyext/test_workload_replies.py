"""Replies over the network: what a way costs in segments, and that nothing lingers after it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from again import again

from cyext.core.workload import LimitReached, NotSupported, run_on
from cyext.net.accepting import Accept
from cyext.net.replies import HeaderBody, RoundTrip, SendFile

linux = pytest.mark.skipif(sys.platform != "linux", reason="segments are counted on Linux only")
TIME_WAIT = "06"


@pytest.fixture(autouse=True)
def cpus() -> Iterator[None]:
    """The CPUs that a worker would tell its workloads."""
    run_on(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])
    yield
    run_on(())


@linux
@pytest.mark.parametrize(
    ("how", "segments"), [("two_writes", 2), ("writev", 1), ("more", 1), ("cork", 1)]
)
def test_segments_of_a_reply_are_exact(how: str, segments: int) -> None:
    workload = HeaderBody(how=how, nodelay="yes")

    def counted() -> float:
        workload.count(True)
        workload.run(50)
        found: float = workload.counts()["segments"]
        return found

    # TCP sends a segment again whose answer a busy machine has kept back for some milliseconds.
    assert again(counted, lambda found: found == segments) == segments
    workload.close()


@linux
def test_of_each_zero_copy_send_is_told_whether_it_was_one() -> None:
    try:
        workload = SendFile(how="zerocopy")
    except NotSupported as reason:
        pytest.skip(str(reason))
    workload.grow(3 << 20)
    workload.count(True)
    workload.run(5)
    assert 0 <= workload.counts()["copied"] <= 1
    workload.close()


@linux
@pytest.mark.parametrize(
    ("how", "copies"), [("read_write", 3), ("mmap_write", 2), ("sendfile", 1), ("splice", 1)]
)
def test_the_copies_of_a_byte_are_counted(how: str, copies: int) -> None:
    workload = SendFile(how=how)
    for level in (100, 100_000):
        workload.grow(level)
        assert workload.counts()["copies_per_byte"] == copies
        assert workload.run(2) > 0
    workload.close()


@pytest.mark.parametrize(("protocol", "longest"), [("tcp", 65536), ("udp", 65507)])
def test_the_longest_message_comes_back_and_a_longer_one_is_refused(
    protocol: str, longest: int
) -> None:
    workload = RoundTrip(protocol=protocol)
    workload.grow(longest)
    assert workload.run(5) > 0
    with pytest.raises(LimitReached, match=f"^stopped at {longest}: the longest message is"):
        workload.grow(longest + 1)
    assert workload.run(5) > 0
    workload.close()


@linux
@pytest.mark.parametrize("kind", [RoundTrip, Accept])
def test_no_connection_lingers(kind: Any) -> None:
    def own_ends() -> set[int]:
        """The ports of this process's TCP sockets."""
        found = set()
        for fd in (int(path.name) for path in Path("/proc/self/fd").iterdir() if path.is_socket()):
            with socket.socket(fileno=os.dup(fd)) as end:
                if end.family == socket.AF_INET and end.type == socket.SOCK_STREAM:
                    found.add(end.getsockname()[1])
        return found

    before, ends = own_ends(), set()
    for _ in range(20):
        workload = kind(protocol="tcp")
        workload.run(2)
        ends |= own_ends() - before
        workload.close()
    assert ends
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    lingering = [row[1:3] for row in rows if row[3] == TIME_WAIT]
    waiting = {int(end.rpartition(":")[2], 16) for both in lingering for end in both}
    assert not waiting & ends
