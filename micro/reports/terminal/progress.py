"""What is shown while measuring: between visits only, never while a value is taken."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.progress import BarColumn, Progress, TextColumn

from micro.reports.console import console
from runners.measure.schedule import Progress as Step


class Display:
    """Told where the run stands; draws at once or never, and has no thread of its own."""

    def step(self, step: Step) -> None:
        """A visit is about to start."""

    def profile(self, job: str, share_done: float) -> None:
        """A job is about to be sampled, after the last visit."""


#: Rounds that follow each other faster than so many seconds do not each get a line.
_SECONDS_BETWEEN = 5.0


class _Lines(Display):
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._round = 0
        self._next_s = -math.inf
        self._tenth = -1
        self._console = console(stderr=True)

    def step(self, step: Step) -> None:
        if step.round != self._round and self._clock() >= self._next_s:
            self._round, self._next_s = step.round, self._clock() + _SECONDS_BETWEEN
            self._say(f"round {step.round}: {step.share_done:.0%} measured, {_left(step)}")

    def profile(self, job: str, share_done: float) -> None:
        if int(10 * share_done) > self._tenth:
            self._tenth = int(10 * share_done)
            self._say(f"profiles: {share_done:.0%}")

    def _say(self, line: str) -> None:
        with suppress(OSError):  # nobody reads it, or the disk is full: no reason to stop
            self._console.print(line, markup=False)


class _Bar(Display):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=1.0, left="")

    def step(self, step: Step) -> None:
        self._draw(step.share_done, f"round {step.round}  {step.job:<24.24}", _left(step))

    def profile(self, job: str, share_done: float) -> None:
        self._draw(share_done, f"profiles  {job:<24.24}", "")

    def _draw(self, share_done: float, description: str, left: str) -> None:
        self._progress.update(self._task, completed=share_done, description=description, left=left)
        with suppress(OSError):
            self._progress.refresh()


def _left(step: Step) -> str:
    if step.seconds_left >= 1e8:
        return "…"
    most = "up to " if step.share_done >= 1 else ""
    return f"{most}{step.seconds_left:.0f} s left"


@contextmanager
def steps(total: int, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A bar on a terminal for ``total`` steps: call it with the name of each that begins."""
    out = console(stderr=True)
    if quiet or not out.is_terminal:
        yield lambda _: None
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        console=out,
        auto_refresh=False,
        transient=True,
    )
    task = progress.add_task("", total=total, completed=-1)

    def step(name: str) -> None:
        progress.update(task, advance=1, description=f"{name:<30.30}")
        with suppress(OSError):
            progress.refresh()

    with _drawn(progress):
        yield step


@contextmanager
def _drawn(progress: Progress) -> Iterator[None]:
    with suppress(OSError):
        progress.start()
    try:
        yield
    finally:
        with suppress(OSError):  # the terminal may have hung up
            progress.stop()


@contextmanager
def display(quiet: bool) -> Iterator[Display]:
    """On stderr: a bar on a terminal, elsewhere a line a round or five seconds; or nothing."""
    out = console(stderr=True)
    if quiet:
        yield Display()
    elif not out.is_terminal:
        yield _Lines()
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
        progress = Progress(*columns, console=out, auto_refresh=False, transient=True)
        bar = _Bar(progress)
        with _drawn(progress):
            yield bar
