from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workloads import CLEAN, RATIO
from hypothesis import given
from hypothesis import strategies as st
from launched import levels, order

from runners.machine.environment import usable_cpus
from runners.machine.limits import cpu_usage
from runners.measure import launch
from runners.measure.launch import Launcher, Order, parse
from runners.model.job import Job

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="no CPU affinity on this system"
)


# What a good worker brings


def test_a_workload_of_ours_is_measured(launcher: Launcher) -> None:
    answer = launcher.visit(order("cyext.fd.descriptors:OpenClose", levels=(None,)))
    assert answer.error is None
    point, done = answer.lines
    assert done == {"done": True}
    assert point["level"] is None
    assert point["batch"] >= 1
    assert point["cpu"] in usable_cpus() or not hasattr(os, "sched_setaffinity")
    assert len(point["slices"]) >= 25
    assert len(point["slices"]) % 6 == 0
    assert all(isinstance(number, int) for number in point["slices"])
    assert isinstance(point["clock_ns"], float)
    assert isinstance(point["noise"]["wall_ns"], int)
    assert list(launcher.scratch.iterdir()) == []


def test_a_curve_of_ours_is_measured(launcher: Launcher) -> None:
    answer = launcher.visit(order("cyext.fd.descriptors:OpenInterleaved"))
    assert (answer.error, levels(answer)) == (None, [10, 100])
    assert list(launcher.scratch.iterdir()) == []


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_a_team_is_measured(launcher: Launcher, workers: Any) -> None:
    members: Any = {"workers": workers, "axis_kind": "members"}
    answer = launcher.visit(order("cyext.core.empty:Empty", levels=(1, 2), **members))
    assert (answer.error, levels(answer)) == (None, [1, 2])
    answer = launcher.visit(
        order("cyext.core.empty:Empty", levels=(None,), workers=workers, members=2)
    )
    assert (answer.error, levels(answer)) == (None, [None])


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_a_team_grows_through_the_levels_of_a_load(launcher: Launcher, workers: Any) -> None:
    answer = launcher.visit(
        order("cyext.fd.descriptors:OpenInterleaved", workers=workers, members=3)
    )
    assert (answer.error, levels(answer)) == (None, [10, 100])
    assert list(launcher.scratch.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity")
@pytest.mark.parametrize("cpu", sorted(usable_cpus()))
def test_a_child_is_bound_before_it_runs_and_its_starter_is_not(cpu: int) -> None:
    before = os.sched_getaffinity(0)
    asks = [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]
    with launch.children_bound_to([cpu]):
        said = subprocess.run(asks, capture_output=True, text=True, check=True).stdout
    assert said.strip() == str({cpu})
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity")
def test_a_cpu_that_is_not_there_binds_nobody() -> None:
    before = os.sched_getaffinity(0)
    with launch.children_bound_to([1 << 14]):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


def test_the_survey_hears_every_cpu(launcher: Launcher) -> None:
    cpus = usable_cpus()[:2]
    pairs = [(cpus[0], cpus[-1])]
    answer = launcher.survey(cpus, pairs, 30)
    assert answer.error is None
    assert [(line["cpu"], len(line["senses"])) for line in answer.lines[: len(cpus)]] == [
        (cpu, 60) for cpu in cpus
    ]
    assert answer.lines[len(cpus)]["pair"] == list(pairs[0])
    assert len(answer.lines[len(cpus)]["slices"]) % 6 == 0


def test_an_order_reaches_the_worker_as_it_was(launcher: Launcher) -> None:
    wanted = order("Plain", levels=(10, 100, 1000))
    wanted = replace(wanted, batch={10: 7, 1000: 8}, clean_ratio=RATIO, trace=33, trace_clocks=0)
    answer = launcher.visit(wanted)
    # A slow clock asks for more, up to what the workload takes.
    fitting = round(min(max(300, 0.2 * answer.lines[1]["clock_ns"]), 1000))
    assert [line["batch"] for line in answer.lines[:-1]] == [7, pytest.approx(fitting, abs=1), 8]
    assert [len(line["trace"]) for line in answer.lines[:-1]] == [33] * 3
    assert answer.lines[0]["slices"] == [7_000, *CLEAN, *CLEAN, -1] * 15


@needs_affinity
@pytest.mark.skipif(len(usable_cpus()) < 2, reason="there is only one CPU")
def test_a_worker_settles_where_no_neighbour_is(launcher: Launcher) -> None:
    cpus = usable_cpus()
    job = Job("fake", "tests.runners.fake_workloads:CleanOnLast", params={"last": cpus[-1]})
    answer = launcher.visit(Order(job, (1, 2, 3), tuple(cpus), clean_ratio=RATIO))
    assert answer.error is None
    assert [line["cpu"] for line in answer.lines[:-1]] == [cpus[-1]] * 3
    # Having settled, it sees no dirty slice any more.
    batch = answer.lines[1]["batch"]
    assert answer.lines[1]["slices"] == [1000 * batch, *CLEAN, *CLEAN, -1] * 15


def test_nothing_of_the_users_environment_is_measured(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET", "PYTHONPATH", "PYTHONSTARTUP", "LANG", "TMPDIR", "HOME"):
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=0")
    answer = launcher.visit(order("Tell"))
    found = json.loads(answer.lines[0]["failed"].removeprefix("error in the probe's code: "))
    for name in ("SECRET", "PYTHONPATH", "PYTHONSTARTUP", "LANG", "TMPDIR", "HOME"):
        assert name not in found["environ"]
    assert found["environ"]["MICRO_SCRATCH"] == str(launcher.scratch)
    assert found["environ"]["LC_ALL"] == "C"
    # What chooses the allocator is part of what is measured.
    assert found["environ"]["GLIBC_TUNABLES"] == "glibc.malloc.perturb=0"
    assert found["environ"]["PATH"] == os.environ["PATH"]
    assert found["cwd"] == "/"


def test_a_worker_does_not_carry_the_runner_along(launcher: Launcher) -> None:
    answer = launcher.visit(order("Tell"))
    found = json.loads(answer.lines[0]["failed"].removeprefix("error in the probe's code: "))
    loaded = {name.partition(".")[0] for name in found["modules"]}
    unwanted = {"numpy", "pyperf", "rich", "inspect", "typing", "dataclasses", "subprocess", "site"}
    assert loaded & unwanted == set()


# Lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b'{"a":1}\n{"b":2}\n', [{"a": 1}, {"b": 2}]),
        (b'{"a":1}\n{"b":2', [{"a": 1}]),
        (b'\n\n{"a":1}\n\n', [{"a": 1}]),
        (b'[1]\n"text"\nnull\n7\n{"a":1}\n', [{"a": 1}]),
        (b'\xff\xfe\n{"a":"\xff"}\n{"a":1}\n', [{"a": 1}]),
        (b"[" * 100_000 + b'\n{"a":1}\n', [{"a": 1}]),
        (b'{"a":' * 100_000 + b'\n{"a":1}\n', [{"a": 1}]),
        (b'{"a":' + b"9" * 10_000 + b'}\n{"a":1}\n', [{"a": 1}]),
    ],
)
def test_only_whole_lines_count(data: bytes, lines: list[dict[str, int]]) -> None:
    assert parse(data) == lines


PIECE = st.sampled_from(
    [b'{"a":', b"1}", b"\n", b'"', b"[", b"]", b"\xff", b"\0", b"\\ud800", b"{}"]
)


@given(st.binary() | st.lists(PIECE).map(b"".join))
def test_no_answer_is_too_strange(data: bytes) -> None:
    assert all(isinstance(line, dict) for line in parse(data))


@given(
    st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers()))),
    st.integers(0, 50),
)
def test_whole_lines_survive_a_torn_end(lines: list[dict[str, Any]], cut: int) -> None:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert parse(data) == lines
    torn = data[: max(0, len(data) - cut)]
    whole = torn.count(b"\n")
    assert parse(torn)[:whole] == lines[:whole]
    assert len(parse(torn)) <= whole + 1


# Orders


def test_an_order_is_plain_data() -> None:
    job = Job(
        "fd.open", "cyext.fd.descriptors:OpenClose", {"size": 64, "mode": "x"}, members=3, slices=40
    )
    job = replace(job, slowdown=0.25)
    plain = Order(job, (None, 5), (0, 1), batch={None: 3, 5: 4}).plain()
    assert plain["workload"] == "cyext.fd.descriptors:OpenClose"
    assert plain["params"] == {"size": 64, "mode": "x"}
    assert (plain["workers"], plain["members"], plain["slices"]) == ("single", 3, 40)
    assert plain["slowdown"] == 0.25
    assert (plain["levels"], plain["cpus"]) == ([None, 5], [0, 1])
    assert plain["batch"] == {"None": 3, "5": 4}
    assert plain["clean_ratio"] is None
    assert json.loads(json.dumps(plain)) == plain


# What runs beside the probe


def over(cpu: str) -> Order:
    job = Job("ipc.pipe", "cyext.ipc.round_trips:Pipe", {"peer": "thread", "cpu": cpu}, waits=True)
    return Order(job, (None,), tuple(usable_cpus()), trace=0)


@needs_affinity
@pytest.mark.skipif(len(usable_cpus()) < 2, reason="there is only one CPU")
def test_a_probe_over_two_cpus_tells_their_hand_over(launcher: Launcher) -> None:
    told = [line for line in launcher.visit(over("other")).lines if "handover_ns" in line]
    assert [line["pair"] for line in told] == [usable_cpus()[:2]]
    assert told[0]["handover_ns"] > 0
    assert not [line for line in launcher.visit(over("same")).lines if "handover_ns" in line]


@needs_affinity
def test_who_used_the_cpu_is_looked_at_where_a_probe_waits(launcher: Launcher) -> None:
    launcher._cpu_usage = None
    assert set(launcher.visit(over("same")).lines[0]["slices"][5::6]) == {-1}
    launcher._cpu_usage = cpu_usage()
    if launcher._cpu_usage is not None:
        order = over("same")
        assert min(launcher.visit(order).lines[0]["slices"][5::6]) >= 0
        busy = replace(order, job=replace(order.job, waits=False))
        assert set(launcher.visit(busy).lines[0]["slices"][5::6]) == {-1}


def test_a_worker_does_not_inherit_blocked_signals(tmp_path: Path) -> None:
    """Peers that wait are woken by a signal: where it is blocked, a team would never end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        answer = Launcher(tmp_path).visit(
            order("cyext.core.empty:Empty", levels=(None,), workers="threads", members=2)
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (answer.error, levels(answer)) == (None, [None])
