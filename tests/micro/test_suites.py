"""Other suites' names: each leads to a figure that micro has, in the suite's own unit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from micro_process import Inside
from rich.console import Console
from sample_sessions import everything

from micro.probes.catalogue import all_probes
from micro.probes.declaration import Choice
from micro.reports.terminal.suite_table import suite_table
from micro.suites.suite import NAMES, Operation, suite
from runners.archive import writer
from runners.model.benchmark import AxisKind, Scalar
from runners.model.session import Result, Session

PROBES = {probe.name: probe for probe in all_probes()}
OPERATIONS = [
    pytest.param(operation, id=f"{name}:{operation.name}")
    for name in NAMES
    for operation in suite(name).operations
    if operation.probe is not None
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_a_figure_of_some_session(operation: Operation) -> None:
    probe = PROBES[str(operation.probe)]
    for key, value in operation.params.items():
        declared = probe.params[key]
        assert value in (declared.values if isinstance(declared, Choice) else (declared,))
    if probe.axis is None:
        assert operation.level is None
    else:
        assert operation.level in {*probe.axis.levels, *probe.axis.of("rigorous")}
    if operation.unit == "MB/s":
        assert probe.bytes_per_op is not None


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_measured_says_why(name: str) -> None:
    for operation in suite(name).operations:
        assert operation.probe or operation.differs


def result(seconds: float, **how: object) -> Result:
    return Result("ipc.pipe", {"peer": "process", "cpu": "same"}, None, None, "ok", **how)  # type: ignore[arg-type]


def test_values_are_in_the_suites_unit() -> None:
    found = result(0, value_s=2e-6, bytes_per_op=4000)
    assert Operation("lat", "ipc.pipe").value(found, "µs") == pytest.approx(2)
    assert Operation("lat", "ipc.pipe").value(found, "ns") == pytest.approx(2000)
    assert Operation("bw", "ipc.pipe").value(found, "MB/s") == pytest.approx(2000)
    assert Operation("n", "ipc.pipe").value(found, "operations/s") == pytest.approx(500_000)
    half = Operation("switch", "ipc.pipe", times=0.5)
    assert half.value(found, "operations/s") == pytest.approx(1_000_000)


def test_only_a_figure_with_all_parameters_is_one_of_the_operation() -> None:
    same = result(0, value_s=1e-6)
    wanted = {"peer": "process", "cpu": "same"}
    assert Operation("lat", "ipc.pipe", wanted).among([same]) is same
    assert Operation("lat", "ipc.pipe", {"cpu": "other"}).among([same]) is None
    assert Operation("lat", "ipc.pipe", level=2).among([same]) is None
    assert Operation("lat", "ipc.pipe").among([result(0)]) is None


def team(params: Mapping[str, Scalar], axis: str, x: int, seconds: float = 1e-6) -> Result:
    kind: AxisKind = "members" if axis == "members" else "load"
    return Result("event.poll", params, axis, x, "ok", value_s=seconds, axis_kind=kind)


POLL = Operation("poll1", "event.poll", {"ready": "1"}, 16)
READY = {"ready": "1", "rotation": "fixed"}


@pytest.mark.parametrize(
    "result",
    [
        team({**READY, "watched": 16, "as": "threads"}, "members", 4),
        team({**READY, "members": 4, "as": "threads"}, "watched", 16),
    ],
    ids=["over members", "over load"],
)
def test_a_team_of_an_operation_counts_what_all_its_tasks_do(result: Result) -> None:
    assert POLL.among([result]) is None
    operation = POLL.of_team(result)
    assert operation is not None
    assert operation.name == "poll1_threads, 4 tasks"
    assert operation.value(result, "operations/s") == pytest.approx(4e6)


@pytest.mark.parametrize(
    "result",
    [
        team(READY, "watched", 16),
        team({**READY, "watched": 4, "as": "threads"}, "members", 16),
        team({**READY, "members": 16, "as": "threads"}, "watched", 4),
        team({**READY, "ready": "10%", "members": 4, "as": "threads"}, "watched", 16),
    ],
    ids=["alone", "another load", "another level", "another parameter"],
)
def test_other_figures_are_none_of_its_teams(result: Result) -> None:
    assert POLL.of_team(result) is None


@pytest.mark.parametrize("name", NAMES)
def test_show_prints_a_session_like_another_suite(
    inside: Inside, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "session.json"
    writer.write(everything(), file)
    shown = inside("show", "--like", name, file)
    assert shown.returncode == 0
    assert suite(name).title.split()[0] in shown.stdout
    assert "not in this session" in " ".join(shown.stdout.split())


def test_an_unstable_figure_is_marked() -> None:
    doubtful = Result("syscall.getppid", {}, None, None, "unstable", "rounds differ", 1e-7)
    out = Console(width=100, record=True, file=io.StringIO())
    out.print(suite_table(suite("lebench"), Session({}, {}, [doubtful])))
    text = out.export_text()
    assert "100~" in text
    assert "unstable: 1 of" in text


def test_another_suite_is_one_of_four(inside: Inside, sample: Path) -> None:
    ended = inside("show", "--like", "unixbench", sample)
    assert ended.returncode == 2
    assert "'lebench', 'lmbench', 'libmicro', 'will-it-scale'" in ended.stderr
