"""What the doctor says of made-up looks at the CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from planted import plant

from runners.doctor.cpus import cpus
from runners.doctor.finding import Finding
from runners.measure.sentinel import Clean
from runners.measure.survey import Surveyed

CLEAN = Clean(1.25, 6000.0)


def look(
    root: Path,
    shares: Mapping[int, float],
    shared: tuple[tuple[int, int], ...] = (),
    clean: Clean | None = CLEAN,
) -> list[Finding]:
    return list(cpus(Surveyed(clean, shares, shared, {}, ()), root))


def test_a_survey_that_failed_says_nothing_of_the_cpu(tmp_path: Path) -> None:
    error = "no worker could be started: EAGAIN"
    (found,) = cpus(Surveyed(None, {}, (), {}, (), error=error), tmp_path)
    assert (found.topic, found.weight) == ("survey", "warning")
    assert error in found.seen


@pytest.mark.parametrize(
    ("share", "weight", "words"),
    [
        (1.0, "good", ""),
        (0.8, "good", ""),
        (0.79, "note", "a run takes longer"),
        (0.5, "note", "a run takes longer"),
        (0.49, "warning", "most figures will be unstable"),
        (0.0, "warning", "most figures will be unstable"),
    ],
)
def test_how_much_of_the_time_a_cpu_is_ours(
    tmp_path: Path, share: float, weight: str, words: str
) -> None:
    (found,) = look(tmp_path, {3: share})
    assert (found.topic, found.weight) == ("neighbours", weight)
    assert f"CPU 3: the core was ours {share:.0%} of the time" in found.seen
    assert words in found.seen
    assert found.short == f"CPU 3 ours {share:.0%}"
    assert bool(found.cure) == (weight != "good")


def test_cpus_come_in_order(tmp_path: Path) -> None:
    found = look(tmp_path, {5: 0.1, 0: 0.9, 2: 0.5})
    assert [f.seen.partition(":")[0] for f in found] == ["CPU 0", "CPU 2", "CPU 5"]
    assert found[2].short == "CPU 5 ours 10%"


def test_without_a_sharp_sentinel_that_is_all_there_is_to_say(tmp_path: Path) -> None:
    (found,) = look(tmp_path, {}, clean=None)
    assert found.weight == "warning"
    assert found.short.startswith("no sharp sentinel level")
    assert "plain medians with wider intervals" in found.seen
    assert found.cure


def shared(root: Path) -> Finding:
    """What is said of CPUs 1 and 3 slowing each other."""
    (found,) = look(root, {}, ((1, 3),))
    assert found.topic == "shared core"
    assert found.short == "CPUs 1+3 share a core"
    assert found.seen.startswith("CPUs 1 and 3 slow each other")
    return found


@pytest.mark.parametrize("siblings", ["1,3", "0-1,3\n", "1-3", "3"])
def test_hyper_threads_that_the_topology_knows_are_a_note(tmp_path: Path, siblings: str) -> None:
    plant(tmp_path, {"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": siblings})
    found = shared(tmp_path)
    assert found.weight == "note"
    assert "hyper-threads" in found.seen


@pytest.mark.parametrize(
    "siblings", [None, "", "1", "1,2", "4-9", "1,x", "-3", "1-", "3-1", b"\xff\x003", "9" * 400]
)
def test_a_shared_core_that_the_topology_denies_is_a_warning(
    tmp_path: Path, siblings: str | bytes | None
) -> None:
    if siblings is not None:
        plant(tmp_path, {"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": siblings})
    found = shared(tmp_path)
    assert found.weight == "warning"
    assert "the topology says they share no core" in found.seen


@pytest.mark.parametrize("clean", [Clean(1.25, 6000.0), None])
def test_a_memory_that_is_not_borne_out_is_a_warning(clean: Clean | None) -> None:
    said = "the remembered best clock is not used"
    found = list(cpus(Surveyed(clean, {}, (), {}, (), (said,))))
    assert (found[0].topic, found[0].weight, found[0].seen) == ("remembered level", "warning", said)
    assert len(found) == (1 if clean else 2)
