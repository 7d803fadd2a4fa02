"""What is declared, what a pattern chooses, and what may be typed after -p."""

from __future__ import annotations

import importlib
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import micro.probes
from micro.probes.catalogue import (
    BadParameter,
    CannotBeTeam,
    UnknownProbe,
    all_probes,
    is_clock_bound,
    jobs_with,
    select,
)
from micro.probes.declaration import Axis, Choice, Effort, Probe
from micro.reports.insights.comparison import GROUPS
from runners.model.job import Job

EACH = pytest.mark.parametrize("probe", all_probes(), ids=lambda probe: probe.name)
NAMES = [probe.name for probe in all_probes()]


def test_names_and_titles_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len({probe.title for probe in all_probes()}) == len(NAMES)


def test_every_file_of_probes_is_a_family_of_the_catalogue() -> None:
    files = {path.stem for path in Path(micro.probes.__file__).parent.glob("*.py")}
    families = files - {"__init__", "catalogue", "declaration"}
    assert families == {probe.family for probe in all_probes()}


@EACH
def test_words_of_a_declaration(probe: Probe) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*\.[a-z][a-z0-9_]*", probe.name)
    assert probe in importlib.import_module(f"micro.probes.{probe.family}").PROBES
    assert probe.title
    assert probe.method.startswith("One operation")
    assert probe.method.endswith(".")
    assert ". " not in probe.method
    assert probe.source


@EACH
def test_workload_exists(probe: Probe) -> None:
    module, _, name = probe.workload.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@EACH
def test_levels_ascend_and_quick_ones_are_some_of_them(probe: Probe) -> None:
    if probe.axis is None:
        return
    for levels in (probe.axis.levels, probe.axis.quick):
        assert list(levels) == sorted(set(levels))
        assert levels[0] >= 1
    assert set(probe.axis.quick) <= set(probe.axis.levels) <= set(probe.axis.of("rigorous"))
    assert probe.axis.quick[0] == probe.axis.levels[0]
    assert probe.axis.name not in probe.params


@EACH
@pytest.mark.parametrize("effort", ["quick", "usual", "rigorous"])
def test_jobs_carry_the_declaration(probe: Probe, effort: Effort) -> None:
    jobs = probe.jobs(effort)
    assert jobs
    for job in jobs:
        same = ("name", "workload", "workers", "clock_bound_up_to", "waits", "slices")
        for field in (*same, "bytes_per_op"):
            assert getattr(job, field) == getattr(probe, field)
        assert job.params.keys() == probe.params.keys()
        assert all((job.bytes_at(x) or 0) > 0 for x in job.points if probe.bytes_per_op)
        if probe.axis is None:
            assert (job.axis, job.points) == (None, (None,))
        else:
            assert job.axis == probe.axis.name
            assert job.points == probe.axis.of(effort)


@EACH
def test_every_point_has_a_promise(probe: Probe) -> None:
    for job in probe.jobs("rigorous"):
        for level in job.points:
            promise = probe.promised(job.params, level)
            assert all(count > 0 for count in promise.calls.values())
            assert not promise.calls.keys() & promise.tolerated
            assert promise.page_faults is None or promise.page_faults >= 0


@EACH
def test_less_effort_measures_some_of_the_same_benchmarks(probe: Probe) -> None:
    rigorous, usual, quick = (
        [dict(job.params) for job in probe.jobs(effort)]
        for effort in ("rigorous", "usual", "quick")
    )
    assert all(params in rigorous for params in usual)
    assert all(params in usual for params in quick)


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["fd.open_close"], ["fd.open_close"]),
        (["fd"], ["fd.open_close", "fd.open_interleaved"]),
        (["fd.*"], ["fd.open_close", "fd.open_interleaved"]),
        (["*open_close", "fd.open_close"], ["fd.open_close"]),
        (["fd.open_[ci]*"], ["fd.open_close", "fd.open_interleaved"]),
        (["*"], NAMES),
    ],
)
def test_select(patterns: list[str], chosen: list[str]) -> None:
    assert [p.name for p in select(patterns) if p.name in chosen] == chosen
    if patterns != ["*"]:
        families = {name.partition(".")[0] for name in chosen}
        assert {p.family for p in select(patterns)} == families


def test_select_keeps_the_order_of_declaration() -> None:
    first, second = NAMES[0], NAMES[-1]
    assert [p.name for p in select([second, first])] == [first, second]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fd.open_clsoe", "fd.open_close"),
        ("open_close", "fd.open_close"),
        ("fdopen_close", "fd.open_close"),
        ("event.epol", "event.epoll"),
        ("interleaved", "fd.open_interleaved"),
        ("memory.cpy", "memory.copy"),
    ],
)
def test_a_typing_error_gets_the_nearest_name_first(typed: str, meant: str) -> None:
    with pytest.raises(UnknownProbe) as caught:
        select([typed])
    assert f"{typed!r}; did you mean: {meant}" in str(caught.value)


@pytest.mark.parametrize("typed", ["", "nothing.*", "[", "xyzzy", "FD.OPEN_CLOSE"])
def test_a_name_like_no_other_points_to_the_list(typed: str) -> None:
    with pytest.raises(UnknownProbe, match="no probe matches"):
        select(["fd.*", typed])


@given(st.text())
@example("[!")
@example("[z-a]*")
@example("*" * 50)
def test_no_pattern_breaks_select(pattern: str) -> None:
    with suppress(UnknownProbe):
        assert select([pattern])


def declared(name: str, **others: object) -> Probe:
    return Probe(name, "m:K", "title", "One operation is one.", "source", **others)  # type: ignore[arg-type]


CURVE = declared("memory.copy", axis=Axis("size", (256, 512), (256,)))
TEAM = declared(
    "malloc.threads",
    params={"size": 512},
    axis=Axis("threads", (1, 2), (1,), kind="members"),
    workers="threads",
)
TEXTUAL = declared(
    "x.y", params={"mode": Choice(("fast", "slow", "odd"), ("fast", "slow"), ("fast",)), "n": 3}
)


def one(probe: Probe, given: dict[str, str], effort: Effort = "usual") -> Job:
    (job,) = jobs_with(probe, given, effort)
    return job


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("0008", 8),
        ("4k", 4096),
        ("4K", 4096),
        ("64KiB", 65536),
        ("64kib", 65536),
        ("1m", 1 << 20),
        ("1MiB", 1 << 20),
        ("2G", 2 << 30),
        (" 7 ", 7),
    ],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert one(TEAM, {"size": text}).params == {"size": bytes_}
    assert one(CURVE, {"size": text}).levels == (bytes_,)


def test_a_list_of_levels_is_sorted_and_each_counts_once() -> None:
    assert one(TEAM, {"threads": "4,1,2,1"}).levels == (1, 2, 4)
    assert one(CURVE, {"size": "1MiB,4k"}).levels == (4096, 1 << 20)


def test_a_list_of_values_makes_a_job_of_each() -> None:
    jobs = jobs_with(TEAM, {"size": "8,16,8"}, "quick")
    assert [job.params for job in jobs] == [{"size": 8}, {"size": 16}]
    assert [job.levels for job in jobs] == [(1,), (1,)]


def test_what_is_not_typed_stays() -> None:
    assert jobs_with(TEAM, {}, "usual") == TEAM.jobs("usual")
    changed = one(TEAM, {"threads": "3"})
    assert changed.params == {"size": 512}
    assert one(TEAM, {"size": "8"}).levels == (1, 2)


def test_words_are_those_of_the_choice() -> None:
    assert one(TEXTUAL, {"mode": "odd"}).params == {"mode": "odd", "n": 3}
    assert [job.params["mode"] for job in TEXTUAL.jobs("usual")] == ["fast", "slow"]
    with pytest.raises(BadParameter, match="mode=medium: must be one of fast, slow, odd"):
        one(TEXTUAL, {"mode": "medium"})


@pytest.mark.parametrize("probe", [TEAM, CURVE], ids=["parameter", "axis"])
@pytest.mark.parametrize(
    "text",
    [
        *("-1", "0", "", " ", "k", "KiB", "4kk", "4x", "4.5", "1e9", "0x10", "+-1", "1 2"),
        *("9" * 30, "9" * 5000, "1099511627777", "2000g", "\u0663", "\uff14", "²", "4\u212a"),
        *("nan", "inf", "1_000", "4ib", "4\x00", "4\n5"),
    ],
)
def test_bad_sizes(probe: Probe, text: str) -> None:
    with pytest.raises(BadParameter, match=r"^size="):
        one(probe, {"size": text})


@pytest.mark.parametrize("text", ["0", "1,", ",", "1,,2", "1,-1", "1e9", "4097", "1000000000"])
def test_bad_teams(text: str) -> None:
    with pytest.raises(BadParameter, match=r"^threads="):
        one(TEAM, {"threads": text})


def test_an_unknown_key_is_told_what_there_is() -> None:
    with pytest.raises(BadParameter, match=r"no parameter 'sizes'; it has threads, size$"):
        one(TEAM, {"sizes": "1"})
    with pytest.raises(BadParameter, match=r"it has none$"):
        one(declared("a.b"), {"size": "1"})


@given(
    st.sampled_from([TEAM, CURVE, TEXTUAL]),
    st.dictionaries(
        st.sampled_from(["size", "threads", "mode", "", "none"]),
        st.text() | st.integers().map(str) | st.from_regex(r"-?[0-9]+[kmgKMG](ib)?(,[0-9]*)*"),
    ),
    st.sampled_from(["quick", "usual", "rigorous"]),
)
def test_whatever_is_typed_gives_sound_jobs_or_says_no(
    probe: Probe, given: dict[str, str], effort: Effort
) -> None:
    try:
        jobs = jobs_with(probe, given, effort)
    except BadParameter:
        return
    assert jobs
    for job in jobs:
        assert job.params.keys() == probe.params.keys()
        assert list(job.levels) == sorted(set(job.levels))
        for level in job.levels:
            assert 1 <= level <= (4096 if probe is TEAM else 1 << 40)


def test_a_probe_without_an_axis_is_a_curve_over_the_members_of_each_team() -> None:
    jobs = jobs_with(declared("a.b"), {"members": "4,1,2", "as": "processes,threads"}, "usual")
    assert [(job.workers, job.levels, job.axis_kind) for job in jobs] == [
        ("threads", (1, 2, 4), "members"),
        ("processes", (1, 2, 4), "members"),
    ]
    assert str(jobs[0].at(2)) == "a.b[as=threads,members=2]"
    assert jobs[0].params == {}  # what the workload is made with


def test_one_level_is_what_each_member_holds() -> None:
    (job,) = jobs_with(CURVE, {"members": "1,2", "size": "4k"}, "usual")
    assert (job.workers, job.axis, job.levels, job.load) == ("threads", "members", (1, 2), 4096)
    assert str(job.at(2)) == "memory.copy[size=4096,as=threads,members=2]"


def test_each_level_has_a_curve_over_several_numbers_of_members() -> None:
    jobs = jobs_with(CURVE, {"members": "1,4", "as": "processes"}, "usual")
    assert [(job.levels, job.load) for job in jobs] == [((1, 4), 256), ((1, 4), 512)]
    assert str(jobs[1].at(4)) == "memory.copy[size=512,as=processes,members=4]"


def test_one_number_of_members_has_a_curve_over_the_levels() -> None:
    (job,) = jobs_with(CURVE, {"members": "4", "as": "processes"}, "usual")
    assert (job.members, job.axis, job.levels, job.load) == (4, "size", (256, 512), None)
    assert str(job.at(512)) == "memory.copy[members=4,as=processes,size=512]"


def test_a_kind_of_team_is_enough() -> None:
    (job,) = jobs_with(declared("a.b"), {"as": "processes"}, "usual")
    assert {1, 2} <= set(job.levels)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"members": "0"}, "members=0: must be from 1 to 4,096"),
        ({"members": "-1"}, "members=-1: must be from 1 to 4,096"),
        ({"members": "1000000000"}, "members=1000000000: must be from 1 to 4,096"),
        ({"members": "10**9"}, "members=10**9: not a whole number (such as 4096, 64k or 1MiB)"),
        ({"members": "1,2,2"}, "members=1,2,2: give each number of members once"),
        ({"members": ""}, "members=: not a whole number (such as 4096, 64k or 1MiB)"),
        ({"as": "fish"}, "as=fish: must be one of threads, processes"),
    ],
)
def test_nonsense_teams(given: dict[str, str], says: str) -> None:
    with pytest.raises(BadParameter) as caught:
        jobs_with(CURVE, given, "usual")
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("malloc.threads", {"members": "2"}, "is a team of threads already: choose its members"),
        ("hardware.core_to_core", {"members": "2"}, "is a team of threads already"),
        ("ipc.pipe", {"members": "2"}, "cannot run as threads: it has peers of its own"),
        ("process.fork_exit", {"as": "processes"}, "cannot run as processes: it times itself"),
        ("thread.create_alive", {"as": "processes"}, "a forked process has none of the live"),
    ],
)
def test_a_probe_that_cannot_be_a_team_says_why(
    name: str, given: dict[str, str], says: str
) -> None:
    (probe,) = select([name])
    with pytest.raises(CannotBeTeam, match=says):
        jobs_with(probe, given, "usual")


@pytest.mark.parametrize("family", sorted({probe.family for probe in all_probes()}))
def test_each_family_stands_under_a_heading(family: str) -> None:
    assert any(family in families for _, families in GROUPS)


@pytest.mark.parametrize("probe", all_probes(), ids=lambda probe: probe.name)
def test_whether_a_figure_follows_the_clock_is_told_as_it_was_measured(probe: Probe) -> None:
    jobs = probe.jobs("rigorous")[:1]
    if probe.workers == "single" and not probe.no_team:
        jobs += jobs_with(probe, {"members": "1,2", "as": "threads"}, "quick")
    for job in jobs:
        for level in job.points:
            assert is_clock_bound(job.at(level)) == job.clock_bound(level)
