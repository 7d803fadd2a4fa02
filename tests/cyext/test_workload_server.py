"""A server's connections: how many can be held, and what they take."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from again import again
from held import Held, children, eventually, same_as
from isolated import isolated

from cyext.core.workload import LimitReached, run_on
from cyext.server.connections import ActiveConnections, FirstReply

LIMIT = 64
BEYOND = 100

linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")


@pytest.fixture(autouse=True)
def cpus() -> Iterator[None]:
    """A server is bound to a CPU that workloads are told of."""
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system binds no program to a CPU")
    run_on(sorted(os.sched_getaffinity(0)))
    yield
    run_on(())


def established() -> set[str]:
    """Ends of TCP connections in this network, by the numbers of their files."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "01"}


@linux
def test_connections_that_one_client_may_not_hold_other_processes_do(scratch: Path) -> None:
    def check() -> None:
        before = Held.now(scratch)
        resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        workload = FirstReply("fork")
        alone = established()
        workload.grow(BEYOND)
        assert workload.level == BEYOND
        assert len(children()) > BEYOND // LIMIT  # and the server
        # An end has a number once it is accepted; other programs may have some, too.
        assert eventually(lambda: len(established() - alone) >= 2 * (BEYOND - 1))
        for n in (1, workload.max_batch):
            workload.run(n)
            workload.sample(2, n)
        workload.grow(BEYOND + 20)
        assert workload.run(1) > 0
        workload.grow(8)  # down again: nobody else needs to hold anything
        assert eventually(lambda: len(children()) == 1)
        assert workload.run(8) > 0
        workload.close()
        same_as(before, scratch)

    isolated(check)


@pytest.mark.parametrize("model", ["epoll", "thread"])
def test_what_ends_a_server_of_one_process_has_a_name(model: str) -> None:
    def check() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        kind = ActiveConnections if model == "epoll" else FirstReply
        workload = kind(model)
        ended = f"RLIMIT_NOFILE hard limit {LIMIT} of the server and of its client"
        with pytest.raises(LimitReached, match=ended):
            workload.grow(5000)
        assert workload.run(1) > 0
        workload.close()

    isolated(check)


@linux
@pytest.mark.parametrize("model", ["fork", "thread", "poll"])
def test_a_connection_takes_memory_of_the_server(model: str) -> None:
    # The entry in a table, or the stack of what serves it.
    least, most = (1, 4095) if model == "poll" else (4096, math.inf)

    def weighed() -> float:
        workload = FirstReply(model)
        try:
            taken: float = workload.counts()["user_bytes_per_connection"]
        finally:
            workload.close()
        return taken

    assert least <= again(weighed, lambda taken: least <= taken <= most, tries=5) <= most
