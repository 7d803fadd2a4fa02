"""What the doctor says of made-up counts, and that it reads them from made-up files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from planted import plant

from runners.doctor.finding import Finding
from runners.doctor.load import Counts, Watch, between, read_counts
from runners.machine.environment import usable_cpus

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
START = Counts(at_s=100.0, busy_s=50.0, stolen_s=1.0, throttled_s=2.0, own_s=10.0)


def said(cpus: int = 4, seconds: float = 10.0, **gone: float) -> dict[str, Finding]:
    """Findings by topic after so many seconds, in which counts have grown."""
    after = replace(
        START,
        at_s=START.at_s + seconds,
        **{name: getattr(START, name) + much for name, much in gone.items()},
    )
    return {finding.topic: finding for finding in between(START, after, cpus)}


def test_an_idle_machine_has_nothing_against_it() -> None:
    found = said()
    assert {topic: finding.weight for topic, finding in found.items()} == {
        "steal": "good",
        "other load": "good",
    }
    assert not any(finding.cure for finding in found.values())


@pytest.mark.parametrize(("stolen_s", "weight"), [(0.3, "good"), (0.5, "warning"), (8, "warning")])
def test_stolen_time_is_a_share_of_all_cpus(stolen_s: float, weight: str) -> None:
    found = said(stolen_s=stolen_s)["steal"]
    assert (found.weight, bool(found.cure)) == (weight, weight == "warning")
    assert found.seen.startswith(f"{stolen_s / 40:.1%} of the time")
    assert found.short == f"steal {stolen_s / 40:.0%}"


def test_a_quota_that_stops_us_is_a_warning() -> None:
    assert "throttling" not in said(throttled_s=0.05)
    found = said(throttled_s=8.0)["throttling"]
    assert (found.weight, found.short) == ("warning", "throttled 20%")
    assert "20.0% of the time" in found.seen


def test_the_load_of_others_is_what_we_did_not_use() -> None:
    assert said(busy_s=12.0, own_s=11.0)["other load"].weight == "good"
    found = said(busy_s=22.0, own_s=10.0)["other load"]
    assert (found.weight, found.short) == ("warning", "other load 30%")
    assert "30% of the CPUs' time" in found.seen
    assert found.cure
    # What we used ourselves may be counted sooner than the machine's sum.
    assert said(busy_s=1.0, own_s=3.0)["other load"].seen.startswith("other programs used 0%")


def test_two_readings_at_the_same_moment() -> None:
    assert all("nan" not in finding.seen for finding in said(seconds=0.0).values())


def test_counts_are_read(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/stat": "cpu  900 99 9 9000 900 9 9 99 99 1\n"
            "cpu0 60 10 1 2000 250 3 4 50 45 1\n"
            "cpu1 700 70 5 4000 300 1 1 10 1 0\n"
            "cpu10 40 10 2 2000 250 3 3 30 45 0\n",
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/cpu.stat": "usage_usec 9\nthrottled_usec 1000\n",
            "sys/fs/cgroup/a/cpu.stat": "nr_throttled 5\nthrottled_usec 2500000\n",
        },
    )
    counts = read_counts([0, 10], root)
    # Neither idle time nor waiting for disks is work; guests are counted as user time already.
    assert counts.busy_s == pytest.approx((100 + 20 + 3 + 6 + 7) * TICK_S)
    assert counts.stolen_s == pytest.approx(80 * TICK_S)
    assert counts.throttled_s == pytest.approx(2.501)
    assert counts.own_s > 0


def test_version_1_counts_nanoseconds(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/self/cgroup": "1:cpu:/a\n",
            "sys/fs/cgroup/cpu/a/cpu.stat": "nr_periods 3\nthrottled_time 2500000000\n",
            "sys/fs/cgroup/cpu/cpu.stat": "what is this\nthrottled_time x\n",
        },
    )
    assert read_counts([0], root).throttled_s == pytest.approx(2.5)


@pytest.mark.parametrize("stat", ["", "cpu0", "cpu0 1 2", "cpu0 x y z", b"\xff\xfe\0", "cpu0 -1"])
def test_where_the_system_counts_nothing_there_is_nothing(
    tmp_path: Path, stat: str | bytes
) -> None:
    counts = read_counts([0], plant(tmp_path, {"proc/stat": stat}))
    assert (counts.stolen_s, counts.throttled_s) == (0, 0)
    assert counts.busy_s <= 3 * TICK_S


def test_a_watch_tells_what_came_after_its_start(tmp_path: Path) -> None:
    line = "".join(f"cpu{cpu} {{0}} 0 0 0 0 0 0 {{0}} 0 0\n" for cpu in usable_cpus())
    watch = Watch(plant(tmp_path, {"proc/stat": line.format(10**9)}))
    calm = {finding.topic: finding.weight for finding in watch.findings()}
    assert calm == {"steal": "good", "other load": "good"}
    plant(tmp_path, {"proc/stat": line.format(2 * 10**9)})
    loud = {finding.topic: finding.weight for finding in watch.findings()}
    assert loud == {"steal": "warning", "other load": "warning"}
