from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runners.measure import scratch
from runners.measure.scratch import PREFIX, remove_abandoned, scratch_directory

ROOT = Path(scratch.__file__).parents[2]


def abandoned(base: Path, name: str = "dead") -> Path:
    """What a killed session left: a directory with files that nobody holds."""
    path = base / f"{PREFIX}{name}"
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_text("left")
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """As a session in another process holds it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def test_it_is_there_until_the_end(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as path:
        assert path.parent == tmp_path
        assert path.is_dir()
        assert path.stat().st_mode & 0o077 == 0
        (path / "deep").mkdir()
        (path / "deep" / "file").write_text("left")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_it_goes_also_when_the_session_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), scratch_directory(tmp_path):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_gone_already_is_no_error(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as path:
        path.rmdir()
    assert list(tmp_path.iterdir()) == []


def test_it_is_where_temporary_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    with scratch_directory() as path:
        assert path.parent == tmp_path


def test_none_can_be_made_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"), scratch_directory(tmp_path / "nowhere"):
        pytest.fail("entered")


def test_sessions_side_by_side_do_not_touch_each_other(tmp_path: Path) -> None:
    with scratch_directory(tmp_path) as first, scratch_directory(tmp_path) as second:
        assert first != second
        assert first.is_dir()
        remove_abandoned(tmp_path)
        assert first.is_dir()
        assert second.is_dir()


def test_what_dead_sessions_left_is_removed(tmp_path: Path) -> None:
    dead = [abandoned(tmp_path, name) for name in ("one", "two")]
    with scratch_directory(tmp_path) as path:
        assert not any(each.exists() for each in dead)
        assert list(tmp_path.iterdir()) == [path]


def test_what_a_living_session_holds_is_kept(tmp_path: Path) -> None:
    path = abandoned(tmp_path)
    with held(path):
        remove_abandoned(tmp_path)
        assert (path / "deep" / "file").read_text() == "left"
    remove_abandoned(tmp_path)
    assert not path.exists()


def test_a_killed_session_is_cleared_by_the_next(tmp_path: Path) -> None:
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from runners.measure.scratch import scratch_directory
with scratch_directory(Path({str(tmp_path)!r})) as path:
    print(path, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        path = Path(other.stdout.readline().strip())
        remove_abandoned(tmp_path)
        assert path.is_dir()
        other.send_signal(signal.SIGKILL)
        other.wait(60)
        assert path.is_dir()
        remove_abandoned(tmp_path)
        assert not path.exists()


def test_only_directories_of_ours_are_removed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    (target / "deep").mkdir(parents=True)
    link = tmp_path / f"{PREFIX}link"
    link.symlink_to(target)
    dangling = tmp_path / f"{PREFIX}dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    file = tmp_path / f"{PREFIX}file"
    file.write_text("mine")
    other = tmp_path / "other-scratch-dir"
    other.mkdir()
    pipe = tmp_path / f"{PREFIX}pipe"
    os.mkfifo(pipe)
    before = sorted(tmp_path.rglob("*"))
    remove_abandoned(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_inside_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").write_text("mine")
    (abandoned(tmp_path) / "link").symlink_to(target)
    remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (target / "file").read_text() == "mine"


def test_what_others_left_is_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = abandoned(tmp_path)
    # Only root could make a file another user's.
    stranger = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)})
    stranger.getuid = lambda: os.getuid() + 1
    monkeypatch.setattr(scratch, "os", stranger)
    remove_abandoned(tmp_path)
    assert path.exists()


@pytest.mark.parametrize("held_meanwhile", [False, True])
def test_one_that_another_session_takes_for_abandoned_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_meanwhile: bool
) -> None:
    """Between its making and its locking nobody holds it."""
    make, made = Path.mkdir, []

    def raced(path: Path, mode: int) -> None:
        make(path, mode)
        made.append(path)
        if len(made) == 1 and not held_meanwhile:
            remove_abandoned(tmp_path)

    monkeypatch.setattr(Path, "mkdir", raced)
    if held_meanwhile:
        lock = scratch.fcntl.flock

        def refused(*arguments: int) -> None:
            if len(made) == 1:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            lock(*arguments)

        monkeypatch.setattr(scratch.fcntl, "flock", refused)
    with scratch_directory(tmp_path) as path:
        assert path == made[1]
        assert path.name.startswith(PREFIX)
        assert path.is_dir()


def test_an_interruption_as_soon_as_it_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def interrupted(path: Path, mode: int) -> None:
        make(path, mode)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), scratch_directory(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_removed_does_not_save_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [abandoned(tmp_path, name) for name in ("one", "two", "three")]
    opened = os.open

    def refuse(path: Any, *arguments: Any, **named: Any) -> int:
        if str(path) == str(dead[1]):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(scratch.os, "open", refuse)
    remove_abandoned(tmp_path)
    monkeypatch.undo()
    assert [path.exists() for path in dead] == [False, True, False]


def test_a_base_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "nowhere")


def test_files_in_memory_are_removed_and_need_a_tmpfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = abandoned(tmp_path)
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "file_system", lambda folder: "ext4")
    with scratch.memory_directory() as directory:
        assert directory is None
    monkeypatch.setattr(scratch, "file_system", lambda folder: "tmpfs")
    with scratch.memory_directory() as directory:
        assert directory is not None
        (directory / "file").touch()
        assert not dead.exists()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(scratch, "MEMORY", tmp_path / "missing")
    with scratch.memory_directory() as directory:
        assert directory is None
