"""`micro compare A B`: what two sessions can tell."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from micro_process import Inside
from rich.console import Console
from sample_systems import system_session

from micro import units
from micro.errors import EXIT_REGRESSED
from micro.reports.insights.comparison import compare, ratio_text
from micro.reports.insights.pair import count, entries
from micro.reports.insights.systems import of_sessions, read_systems
from micro.reports.terminal.pair import print_pair
from runners.archive import writer
from runners.model.session import Session


def stored(folder: Path, name: str, session: Session) -> Path:
    writer.write(session, folder / name)
    return folder / name


def printed(before: Session, after: Session, width: int = 80) -> str:
    shown = compare(of_sessions([[before], [after]], ["a", "b"]), every_level=True)
    out = StringIO()
    console = Console(file=out, width=width, highlight=False, emoji=False)
    print_pair(console, shown, entries(shown))
    return out.getvalue()


def test_a_large_change_is_told_and_fails(inside: Inside, tmp_path: Path) -> None:
    before = stored(tmp_path, "yesterday.json", system_session())
    after = stored(tmp_path, "today.json", system_session(5))
    done = inside("compare", before, after)
    assert done.returncode == EXIT_REGRESSED
    assert "5.0 times slower" in done.stdout
    assert "2.00 µs → 10.0 µs" in done.stdout
    assert inside("compare", after, before).returncode == 0
    assert inside("compare", before, after, "--fail-on", "none").returncode == 0


def test_a_small_change_is_not_told_and_how_to_tell_it_is_said() -> None:
    text = " ".join(printed(system_session(), system_session(1.06)).split())
    assert "slower in 0, faster in 0" in text
    assert "`micro baseline record`" in text


def test_of_unstable_figures_only_a_multiple_is_told() -> None:
    busy, slower, much_slower = system_session(), system_session(1.5), system_session(3)
    for result in busy.results:
        result.status, result.reason = "unstable", "rounds differ by 20%"
    for after, told in ((slower, False), (much_slower, True)):
        found = entries(compare(of_sessions([[busy], [after]], ["a", "b"])))
        assert (count(found, slower=True) > 0) is told


def test_unstable_figures_whose_rounds_meet_are_not_told_apart() -> None:
    busy, chance = system_session(), system_session(3)
    for result in chance.results:  # one round of many counts, and it is the slow one
        result.status, result.reason = "unstable", "5 of 6 rounds were disturbed"
        assert result.value_s is not None
        result.visits = [
            replace(result.visits[0], value_s=result.value_s * share) for share in (0.34, 0.35, 1)
        ]
    found = entries(compare(of_sessions([[busy], [chance]], ["a", "b"])))
    assert count(found, slower=True) == 0


@pytest.mark.parametrize("width", [80, 140])
def test_levels_are_one_entry_and_nothing_is_cut(width: int) -> None:
    text = printed(system_session(), system_session(5), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert sum("fd.open_interleaved" in line for line in text.splitlines()) == 1
    assert "of 14 levels" in text


@pytest.mark.parametrize("paths", [("a", "b", "c"), ("a", "missing")])
def test_what_cannot_be_compared_is_said(inside: Inside, tmp_path: Path, paths: tuple[str]) -> None:
    for name in "abc":
        stored(tmp_path, f"{name}.json", system_session())
    done = inside("compare", *(tmp_path / f"{path}.json" for path in paths))
    assert done.returncode == 2
    assert done.stderr.startswith("micro: error: ")


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.12, "12% slower"),
        (0.8, "20% faster"),
        (2.5, "2.5 times slower"),
        (1 / 1600, "1,600 times faster"),
        (0.0, "1,000,000,000,000,000 times faster"),
    ],
)
def test_a_ratio_in_words(ratio: float, words: str) -> None:
    assert units.change(ratio) == words


def test_no_ratio_is_printed_as_nothing() -> None:
    assert ratio_text(1 / 1600) == "1,600 times faster"
    assert ratio_text(0.5) == "×0.50"


def test_files_that_are_named_are_not_pooled(tmp_path: Path) -> None:
    one, other = (stored(tmp_path, f"{i}.json", system_session(i)) for i in (1, 5))
    assert len(read_systems([one, other])) == 2
    (pooled,) = read_systems([tmp_path])
    assert len(pooled.sessions) == 2


def test_figures_of_other_code_are_told_where_the_systems_are_alike() -> None:
    """Between unlike systems the code always differs: compilers and processors do."""
    before, after, elsewhere = system_session(), system_session(5), system_session(5)
    elsewhere.environment = {**elsewhere.environment, "arch": "riscv64"}
    for number, results in enumerate((before.results, after.results, elsewhere.results)):
        for result in results:
            result.code = f"code {number}"
    remark = "were measured by other code"
    assert remark in " ".join(printed(before, after).split())
    assert remark not in " ".join(printed(before, elsewhere).split())
    assert remark not in " ".join(printed(before, before).split())


def test_one_side_is_of_one_kind_of_system(inside: Inside, tmp_path: Path) -> None:
    side = tmp_path / "side"
    side.mkdir()
    other = system_session()
    other.environment = {**other.environment, "cpu_count": 64}
    for name, session in (("a.json", system_session()), ("b.json", other)):
        stored(side, name, session)
    after = stored(tmp_path, "after.json", system_session(5))
    after.with_name("d").mkdir()
    after = after.rename(tmp_path / "d" / "after.json").parent
    done = inside("compare", side, after)
    assert done.returncode == 2
    assert "give each its own directory" in " ".join(done.stderr.split())


def test_sessions_of_older_code_are_not_pooled_with_the_newest() -> None:
    old, new = system_session(5), system_session()
    for session, code in ((old, "old"), (new, "new")):
        for result in session.results:
            result.code = code
    (pooled,) = of_sessions([[old, old, new]])
    (alone,) = of_sessions([[new]])
    values = {place: figure.value_s for place, figure in pooled.figures.items()}
    assert values == {place: figure.value_s for place, figure in alone.figures.items()}
