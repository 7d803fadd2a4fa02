"""The verifying worker: one look at one job, and what the job failed to give back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from again import again

from runners.machine.environment import usable_cpus
from runners.measure.launch import Answer, Launcher
from runners.model.job import Job
from runners.verify.check import Bench

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux lists what a process holds")


def look(scratch: Path, job: Job, level: int | None = None, **asked: Any) -> Answer:
    return Bench(Launcher(scratch), tuple(usable_cpus()), None).look(job, level, **asked)


def planted(workload: str, **how: Any) -> Job:
    return Job("fake", f"tests.runners.dishonest_workloads:{workload}", **how)


def test_one_batch_is_counted(tmp_path: Path) -> None:
    answer = look(tmp_path, Job("fake", "cyext.fd.descriptors:OpenClose"), count=[5])
    assert answer.error is None
    number, left, done = answer.lines
    assert number["n"] == 5
    assert number["elapsed_ns"] > 0
    assert (left, done) == ({"left": {}}, {"done": True})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_a_team_leaves_nothing(tmp_path: Path, mode: Any) -> None:
    team = Job("fake", "cyext.core.empty:Empty", workers=mode, members=3)
    # On a busy machine a joined thread may be listed for longer than the worker waits.
    answer = again(
        lambda: look(tmp_path, team, count=[5]),
        lambda answer: answer.lines[1:2] == [{"left": {}}],
    )
    assert answer.error is None
    assert answer.lines[1] == {"left": {}}


def test_a_curve_is_grown_to_its_level(tmp_path: Path) -> None:
    job = Job("fake", "cyext.fd.descriptors:OpenInterleaved", axis="open_fds")
    answer = look(tmp_path, job, 100, count=[5])
    assert (answer.error, answer.lines[1]) == (None, {"left": {}})


def test_a_batch_is_no_larger_than_the_workload_takes(tmp_path: Path) -> None:
    answer = look(tmp_path, planted("Honest"), count=[5000])
    assert answer.lines[0]["n"] == 1000


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ("Failing", {"failed": "getpgid: EIO after 0"}),
        ("Unsupported", {"skipped": "no such call here"}),
        ("Scarce", {"skipped": "stopped at 2: pthread_create: EAGAIN"}),
    ],
)
@pytest.mark.parametrize("asked", [{"count": [3]}, {"pairs": 3}])
def test_without_a_number_it_says_why(
    tmp_path: Path, workload: str, said: dict[str, str], asked: dict[str, int]
) -> None:
    answer = look(tmp_path, planted(workload), **asked)
    assert answer.error is None
    assert answer.lines[0] == said
    assert not any("elapsed_ns" in line or "once" in line for line in answer.lines)


@linux
def test_what_is_left_is_named(tmp_path: Path) -> None:
    answer = look(tmp_path, planted("Untidy"), count=[3])
    (left,) = (line["left"] for line in answer.lines if "left" in line)
    assert left == {"descriptors": 2, "children": 3, "files": 1}


@linux
def test_a_child_that_lives_is_named_too(tmp_path: Path) -> None:
    answer = look(tmp_path, planted("Waiting"), count=[3])
    assert {"left": {"descriptors": 1, "children": 1}} in answer.lines


@linux
@pytest.mark.parametrize(
    ("workload", "left"), [("Maps", {"mappings": 25}), ("Threads", {"threads": 2})]
)
def test_maps_and_threads_that_are_left_are_named(
    tmp_path: Path, workload: str, left: dict[str, int]
) -> None:
    answer = look(tmp_path, planted(workload), count=[3])
    (found,) = (line["left"] for line in answer.lines if "left" in line)
    for name, count in left.items():
        assert abs(found[name] - count) <= (8 if name == "mappings" else 0)


@linux
def test_what_libraries_keep_for_reuse_is_not_named(tmp_path: Path) -> None:
    answer = look(tmp_path, planted("FewMaps"), count=[3])
    assert {"left": {}} in answer.lines


def test_batches_of_n_and_2n_in_turns(tmp_path: Path) -> None:
    job = planted("Sampled")
    answer = look(tmp_path, job, pairs=7)
    pairs, done = answer.lines
    assert (answer.error, done) == (None, {"done": True})
    n = pairs["n"]
    # A slow clock asks for more, up to half of what the workload takes.
    assert n == pytest.approx(min(max(300, 0.2 * pairs["clock_ns"]), 500), abs=1)
    assert len(pairs["once"]) == len(pairs["twice"]) == 7 * 6
    assert pairs["once"][::6] == [1000 * n] * 7
    assert pairs["twice"][::6] == [2000 * n] * 7


def test_a_pair_leaves_room_for_twice_the_batch(tmp_path: Path) -> None:
    answer = look(tmp_path, planted("Small"), pairs=2)
    assert answer.lines[0]["n"] == 3


def test_a_batch_of_one_has_no_pair(tmp_path: Path) -> None:
    answer = look(tmp_path, planted("Single"), pairs=2)
    assert answer.lines[0] == {"skipped": "a batch holds a single operation here"}


def test_real_pairs(tmp_path: Path) -> None:
    answer = look(tmp_path, Job("fake", "cyext.fd.descriptors:OpenClose"), pairs=3)
    assert answer.error is None
    assert len(answer.lines[0]["once"]) == len(answer.lines[0]["twice"]) == 18
