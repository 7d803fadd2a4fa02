"""What is declared, what a pattern chooses, and what may be typed after -p."""

from __future__ import annotations

import importlib
import re
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from micro.probe import BadParameter, Probe, UnknownProbe, all_probes, override, select
from runners.job import Job

EACH = pytest.mark.parametrize("probe", all_probes(), ids=lambda probe: probe.name)
NAMES = [probe.name for probe in all_probes()]


def test_names_and_titles_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len({probe.title for probe in all_probes()}) == len(NAMES)


def test_all_seven_families_are_there() -> None:
    families = {"process", "thread", "fd", "port", "mmap", "malloc", "memory", "event"}
    assert families <= {probe.family for probe in all_probes()}


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
def test_kernel_exists(probe: Probe) -> None:
    module, _, name = probe.kernel.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@EACH
def test_levels_ascend_and_quick_ones_are_some_of_them(probe: Probe) -> None:
    if probe.axis is None:
        return
    for levels in (probe.axis.levels, probe.axis.quick):
        assert list(levels) == sorted(set(levels))
        assert levels[0] >= 1
    assert set(probe.axis.quick) <= set(probe.axis.levels)
    assert probe.axis.quick[0] == probe.axis.levels[0]
    assert probe.axis.name not in probe.params


@EACH
@pytest.mark.parametrize("quick", [False, True])
def test_job_carries_the_declaration(probe: Probe, quick: bool) -> None:
    job = probe.job(quick)
    same = ("name", "kernel", "params", "workers", "clock_bound_up_to", "waits", "slices")
    for field in (*same, "bytes_per_op"):
        assert getattr(job, field) == getattr(probe, field)
    if probe.axis is None:
        assert (job.axis, job.points) == (None, (None,))
    else:
        assert job.axis == probe.axis.name
        assert job.points == (probe.axis.quick if quick else probe.axis.levels)


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


CURVE = Job("memory.copy", "m:K", axis="size", levels=(256, 512))
TEAM = Job("malloc.threads", "m:K", {"size": 512}, "threads", (1, 2), "threads")
TEXTUAL = Job("x.y", "m:K", {"mode": "fast"})


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
    assert override(TEAM, {"size": text}).params == {"size": bytes_}
    assert override(CURVE, {"size": text}).levels == (bytes_,)


def test_a_list_of_levels_is_sorted_and_each_counts_once() -> None:
    assert override(TEAM, {"threads": "4,1,2,1"}).levels == (1, 2, 4)
    assert override(CURVE, {"size": "1MiB,4k"}).levels == (4096, 1 << 20)


def test_what_is_not_overridden_stays() -> None:
    assert override(TEAM, {}) == TEAM
    changed = override(TEAM, {"threads": "3"})
    assert changed.params == TEAM.params
    assert override(TEAM, {"size": "8"}).levels == TEAM.levels
    assert TEAM.params == {"size": 512}


def test_texts_are_taken_as_they_are() -> None:
    assert override(TEXTUAL, {"mode": "slow"}).params == {"mode": "slow"}


@pytest.mark.parametrize("job", [TEAM, CURVE], ids=["parameter", "axis"])
@pytest.mark.parametrize(
    "text",
    [
        *("-1", "0", "", " ", "k", "KiB", "4kk", "4x", "4.5", "1e9", "0x10", "+-1", "1 2"),
        *("9" * 30, "9" * 5000, "1099511627777", "2000g", "\u0663", "\uff14", "²", "4\u212a"),
        *("nan", "inf", "1_000", "4ib", "4\x00", "4\n5"),
    ],
)
def test_bad_sizes(job: Job, text: str) -> None:
    with pytest.raises(BadParameter, match=r"^size="):
        override(job, {"size": text})


@pytest.mark.parametrize("text", ["0", "1,", ",", "1,,2", "1,-1", "1e9", "4097", "1000000000"])
def test_bad_teams(text: str) -> None:
    with pytest.raises(BadParameter, match=r"^threads="):
        override(TEAM, {"threads": text})


def test_an_unknown_key_is_told_what_there_is() -> None:
    with pytest.raises(BadParameter, match=r"no parameter 'sizes'; it has threads, size$"):
        override(TEAM, {"sizes": "1"})
    with pytest.raises(BadParameter, match=r"it has none$"):
        override(Job("a.b", "m:K"), {"size": "1"})


@given(
    st.sampled_from([TEAM, CURVE, TEXTUAL]),
    st.dictionaries(
        st.sampled_from(["size", "threads", "mode", "", "none"]),
        st.text() | st.integers().map(str) | st.from_regex(r"-?[0-9]+[kmgKMG](ib)?(,[0-9]*)*"),
    ),
)
def test_override_gives_a_sound_job_or_says_no(job: Job, given: dict[str, str]) -> None:
    try:
        changed = override(job, given)
    except BadParameter:
        return
    assert changed.params.keys() == job.params.keys()
    assert list(changed.levels) == sorted(set(changed.levels))
    for level in changed.levels:
        assert 1 <= level <= (4096 if job is TEAM else 1 << 40)
    assert all(v == job.params[k] or k in given for k, v in changed.params.items())
    assert all(type(v) is type(job.params[k]) for k, v in changed.params.items())
