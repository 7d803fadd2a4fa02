"""What one thing takes of the kernel's memory, from counts that others change meanwhile."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from again import again
from hypothesis import given
from hypothesis import strategies as st

import cyext.core.kernel_memory
from cyext.core.kernel_memory import Slabs, bytes_each, slabs
from cyext.fd.descriptors import SocketCreate

TEXT = b"""slabinfo - version: 2.1
# name <active_objs> <num_objs> <objsize> : tunables
TCP 53 130 2368 13 8 : tunables 0 0 0
filp 756 756 192 21 1 : tunables 0 0 0
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TEXT, {b"TCP": (53, 2368), b"filp": (756, 192)}),
        (b"a\nb\n", {}),
        (b"", {}),
        (b"a\nb\nTCP 53\n", None),
        (b"a\nb\nTCP many 130 2368 13\n", None),
    ],
)
def test_slabs_are_read_or_are_not_there(
    text: bytes, found: Slabs | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "slabinfo"
    file.write_bytes(text)
    monkeypatch.setattr(cyext.core.kernel_memory, "SLABS", str(file))
    assert slabs() == found


def test_a_system_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cyext.core.kernel_memory, "SLABS", str(tmp_path / "none"))
    assert slabs() is None
    workload = SocketCreate()
    assert "kernel_bytes_per_socket" not in workload.counts()
    workload.close()


@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=4),
        st.tuples(st.integers(0, 3), st.integers(8, 4096)),
        min_size=1,
    ),
    st.integers(0, 1 << 32),
)
def test_what_others_do_in_one_group_does_not_count(
    each: dict[bytes, tuple[int, int]], seed: int
) -> None:
    rng = random.Random(seed)
    count, groups = 500, 3
    disturbed = rng.randrange(groups)
    active = dict.fromkeys(each, 10_000)
    snapshots = [{name: (active[name], size) for name, (_objects, size) in each.items()}]
    for group in range(groups):
        for name, (objects, _size) in each.items():
            active[name] += objects * count + rng.randint(-100, 100)
            if group == disturbed:
                active[name] += rng.choice([-5000, 5000])
        snapshots.append({name: (active[name], size) for name, (_objects, size) in each.items()})
    assert bytes_each(snapshots, count) == sum(objects * size for objects, size in each.values())


@pytest.mark.parametrize("family", ["tcp", "udp", "unix"])
def test_a_socket_takes_some_memory_and_leaves_none_of_those_weighed(family: str) -> None:
    if not slabs():
        pytest.skip("this system does not tell what its memory holds")

    def weighed() -> float:
        workload = SocketCreate(family)
        try:
            taken: float = workload.counts()["kernel_bytes_per_socket"]
        finally:
            workload.close()
        return taken

    # Every other program's sockets count, too, and some come and go meanwhile.
    assert 500 < again(weighed, lambda taken: 500 < taken < 100_000, tries=5) < 100_000


def test_a_cache_that_others_empty_takes_nothing_away() -> None:
    groups = [{b"ours": (8 * i, 100), b"theirs": (900 - 90 * i, 64)} for i in range(6)]
    assert bytes_each(groups, 8) == 100
