"""What is shown while measuring: a line a round or a bar, never between two visits."""

from __future__ import annotations

import errno
import sys
import threading
import time
from io import StringIO

import pytest

from micro.app.measuring import Options
from micro.reports.terminal import progress
from micro.reports.terminal.progress import display, steps
from runners.measure.schedule import Progress
from runners.model.job import Job


def step(number: int, job: str = "fd.open_close", left_s: float = 12.3) -> Progress:
    return Progress(number, 10, job, number / 10, left_s)


class Terminal(StringIO):
    """A terminal that counts what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


class Full(StringIO):
    """A file on a full disk, or a terminal that has hung up."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


pytestmark = pytest.mark.usefixtures("plain_environment")


def test_elsewhere_than_on_a_terminal_a_round_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    shown = progress._Lines(lambda: now)
    for number in (1, 1, 1, 2, 2, 3):
        shown.step(step(number))
        now += 3.0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "round 1: 10% measured, 12 s left",
        "round 2: 20% measured, 12 s left",
        "round 3: 30% measured, 12 s left",
    ]


def test_rounds_of_less_than_five_seconds_do_not_fill_a_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = progress._Lines(lambda: 100.0)
    for number in range(1, 60):
        shown.step(step(number))
    assert capsys.readouterr().err == "round 1: 10% measured, 12 s left\n"


def test_before_anything_is_known_no_time_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with display(quiet=False) as shown:
        shown.step(step(1, left_s=1e9))
    assert capsys.readouterr().err == "round 1: 10% measured, …\n"


def test_quiet_prints_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with display(quiet=True) as shown:
        shown.step(step(1))
        shown.step(step(2))
    assert capsys.readouterr() == ("", "")
    assert terminal.writes == 0


def test_on_a_terminal_a_step_shows_where_the_run_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with display(quiet=False) as shown:
        shown.step(step(4, "malloc.threads"))
        text = terminal.getvalue()
    assert "round 4  malloc.threads" in text
    assert "12 s left" in text


def test_nothing_is_drawn_while_a_value_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    threads = threading.active_count()
    with display(quiet=False) as shown:
        for number in (1, 2):
            shown.step(step(number))
            drawn = terminal.writes
            assert drawn > 0
            assert threading.active_count() == threads
            time.sleep(0.25)  # rich would redraw ten times a second
            assert terminal.writes == drawn


def test_the_bar_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with display(quiet=False) as shown:
        shown.step(step(1))
    # The last line was erased, and the cursor is shown again.
    assert terminal.getvalue().endswith(("\x1b[2K", "\x1b[?25h"))
    assert "\x1b[?25h" in terminal.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_run_does_not_end_because_nobody_can_see_it(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Full(is_terminal))
    with display(quiet=False) as shown:
        for number in (1, 2, 3):
            shown.step(step(number))


def test_an_exception_of_the_run_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())

    def measure() -> None:
        with display(quiet=False) as shown:
            shown.step(step(1))
            raise LookupError("of the run")

    with pytest.raises(LookupError, match="of the run"):
        measure()
    assert "\x1b[?25h" in terminal.getvalue()


# A known number of steps


def test_steps_move_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with steps(3) as begin:
        for name in ("fd.dup", "fd.open_close", "malloc.threads"):
            before = len(terminal.getvalue())
            begin(name)
            assert name in terminal.getvalue()[before:]
    assert terminal.getvalue().endswith(("\x1b[2K", "\x1b[?25h"))


def test_steps_elsewhere_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with steps(2) as begin:
        begin("fd.dup")
        begin("fd.open_close")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("is_terminal", [False, True])
def test_steps_go_on_where_nobody_can_see_them(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Full(is_terminal))
    with steps(2) as begin:
        begin("fd.dup")


def test_an_exception_of_a_step_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())

    def work() -> None:
        with steps(2) as begin:
            begin("fd.dup")
            raise LookupError("of the step")

    with pytest.raises(LookupError, match="of the step"):
        work()
    assert "\x1b[?25h" in terminal.getvalue()


@pytest.mark.parametrize(
    ("budget_s", "words"),
    [
        (None, "1,000 figures in 20 rounds: at least 15 min, and up to 60 min in all for figures"),
        (
            120.0,
            "1,000 figures: --budget 120 is enough for at most 2 of 20 rounds, of at least 45 s",
        ),
        (1.0, "1,000 figures: --budget 1 is enough for at most 0 of 20 rounds, of at least 45 s"),
    ],
)
def test_a_rigorous_run_says_how_long_it_will_take(budget_s: float | None, words: str) -> None:
    jobs = [Job("a", "nowhere:W", axis="n", levels=tuple(range(1, 501)))] * 2
    rounds, profiles = Options("rigorous", budget_s).plan(jobs)
    assert rounds.startswith(words)
    assert "profiles: about 20 min more" in profiles
    assert len(Options("rigorous", budget_s, explain=False).plan(jobs)) == 1


def test_profiles_are_told_beforehand_and_a_usual_run_has_nothing_to_tell() -> None:
    jobs = [Job("a", "nowhere:W")]
    assert Options().plan(jobs) == []
    assert Options(explain=True).plan(jobs) == [
        "after the figures come their profiles: about 1 s more"
    ]


def test_profiles_are_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with display(quiet=False) as shown:
        for share in (0.0, 0.05, 0.1, 0.99):
            shown.profile("fd.open_close", share)
    assert capsys.readouterr().err.splitlines() == [
        "profiles: 0%",
        "profiles: 10%",
        "profiles: 99%",
    ]
