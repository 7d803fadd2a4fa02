"""Ctrl-C, a polite kill, a hang-up and a rude kill: what was measured is kept, nothing is left."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from launched import eventually
from micro_process import DEADLINE_S, REFUSED, ROOT, Micro, has_number, sound
from sample_sessions import measured, session

from micro.app.measuring import Measured, Storage
from micro.commands._session import _say_where
from runners.archive import writer
from runners.archive.reader import read
from runners.model.session import Session

LONG = ("all", "--only", "fd", "process.fork_exit", "--quick", "--budget", 60)


def interrupt(
    micro: Micro,
    number: signal.Signals,
    awaited: str,
    *arguments: object,
    weather: Sequence[str] = (),
    stored: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Start a long session, and send the signal when it has said the awaited and stored a round."""
    with micro.start(*LONG, *arguments, weather=weather) as process:
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if awaited in line:
                    break
            assert stored is None or eventually(stored.exists)
            process.send_signal(number)
            out, err = process.communicate(timeout=DEADLINE_S)
        except BaseException:
            process.kill()
            raise
    assert "Traceback" not in err
    return subprocess.CompletedProcess(process.args, process.returncode, out, "".join(said) + err)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_stopped_session_keeps_its_rounds(
    number: signal.Signals, code: int, micro: Micro, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    done = interrupt(micro, number, "round 1", "--json", "-o", file, stored=file)
    assert done.returncode == code
    results = sound(done.stdout, "fd.open_close", "fd.open_interleaved", "process.fork_exit")
    assert all(map(has_number, results.values()))
    stored = {result.name for result in read(file).results if result.value_s is not None}
    assert stored == set(results)
    assert done.stderr.splitlines()[-2:] == [
        "micro: stopped early; what was measured follows",
        f"stored in {file}",
    ]
    assert micro.left() == []
    assert micro.scratch() == []


def test_after_a_second_interrupt_the_file_has_been_named(micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    with micro.start(*LONG, "-o", file) as process:
        assert process.stderr is not None
        assert eventually(file.exists)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)  # while it tidies up, stores or prints
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    # As the interpreter ends a signal has its default action again: a shell says 130, too.
    assert process.returncode in (130, -signal.SIGINT)
    assert f"stored in {file}" in err
    assert "Traceback" not in err
    assert {visit.round for result in read(file).results for visit in result.visits} >= {1}


def test_rounds_that_a_full_disk_did_not_take_are_told_from_those_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = Storage(tmp_path / "out.json", wanted=True)
    write = writer.write

    def until_the_third(session: Session, path: Path, none_there: bool) -> bool:
        if any(len(result.visits) > 3 for result in session.results):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(session, path, none_there)

    monkeypatch.setattr(writer, "write", until_the_third)
    for rounds in range(1, 6):
        shown = session([measured("a.x", 1e-6, rounds=rounds)])
        storage.keep(shown)
    _say_where(Measured(shown, storage, None), quiet=False)
    assert capsys.readouterr().err == (
        f"micro: error: {storage.path} cannot be written: No space left on device: it holds "
        "rounds 1 to 3, later rounds are not stored\n"
    )
    assert Measured(shown, storage, None).exit_code == 2
    assert len(read(storage.path).results[0].visits) == 3


def test_two_runs_with_one_file_keep_both_sessions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both have looked for the file before either wrote it."""
    path = tmp_path / "out.json"
    one, other = Storage(path, wanted=True), Storage(path, wanted=True)
    for rounds in (1, 2):
        for name, storage in (("a.x", one), ("a.y", other)):
            shown = session([measured(name, 1e-6, rounds=rounds)])
            storage.keep(shown)
    assert [r.name for r in read(path).results] == ["a.x"]
    assert other.path == tmp_path / "out-2.json"
    (result,) = read(tmp_path / "out-2.json").results
    assert (result.name, len(result.visits)) == ("a.y", 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out-2.json", "out.json"]
    _say_where(Measured(shown, other, None), quiet=True)
    said = " ".join(capsys.readouterr().err.split())
    assert "out.json was made by another run meanwhile" in said
    assert said.endswith("out-2.json")


def test_a_session_stopped_in_its_first_round_prints_what_there_is(
    micro: Micro, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    done = interrupt(micro, signal.SIGINT, "round 1", "-o", file)
    assert done.returncode == 130
    assert "figures" in done.stdout
    assert "fd.open_close" in done.stdout
    assert micro.left() == []
    assert micro.scratch() == []


def test_under_nohup_a_hang_up_stops_nothing(micro: Micro) -> None:
    with micro.start(
        *("all", "--only", "fd", "--quick", "--json"),
        weather=["ignore=SIGHUP"],
    ) as process:
        assert process.stderr is not None
        assert "doctor: " in process.stderr.readline()
        assert "round 1" in process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode in (0, REFUSED)
    assert "stopped early" not in err
    assert has_number(sound(out)["fd.open_close"])


def test_workers_die_with_a_killed_session_and_the_next_one_tidies_up(
    micro: Micro, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    done = interrupt(micro, signal.SIGKILL, "round 1", "-o", file, stored=file)
    assert done.returncode == -signal.SIGKILL
    micro.wait_until_gone()
    assert micro.scratch() != []
    assert micro("list", "--check").returncode == 0
    assert micro.scratch() == []


# Commands that start other programs


RECORD = ("baseline", "record", "--sessions", 1, "--quick", "--baselines")
SLOW_SIDE = """[ "$1" = --version ] && echo micro 1.0 && exit
echo measuring >&2
sleep 57; :
"""


def stop(micro: Micro, number: signal.Signals, running: str, *arguments: object) -> tuple[int, str]:
    """Start a command, and send the signal as soon as a process whose command line has that."""
    with micro.start(*arguments) as process:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while not any(running in line for line in micro.processes()):
                assert time.monotonic() < deadline
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            process.send_signal(number)
            out, err = process.communicate(timeout=DEADLINE_S)
        except BaseException:
            process.kill()
            raise
    assert "Traceback" not in err
    return process.returncode, out + err


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("verify", "fd", "--short"), signal.SIGINT),
        (("doctor",), signal.SIGTERM),
        (("list", "--check"), signal.SIGHUP),
    ],
)
def test_every_command_tidies_up_when_it_is_stopped(
    words: tuple[str, ...], number: signal.Signals, micro: Micro
) -> None:
    code, said = stop(micro, number, "start.py", *words)
    assert code == 128 + number
    assert "stopped early" in said
    assert micro.left() == []
    assert micro.scratch() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_record_keeps_its_session(
    number: signal.Signals, micro: Micro, tmp_path: Path
) -> None:
    with micro.start(*RECORD, tmp_path / "kept") as process:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while not (found := list(tmp_path.glob("kept/*/2*.partial.json"))):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(number)
            _, err = process.communicate(timeout=DEADLINE_S)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 128 + number
    assert str(found[0]) in err
    assert any(result.value_s is not None for result in read(found[0]).results)
    assert micro.left() == []
    assert micro.scratch() == []


def test_a_session_dies_with_a_killed_record(micro: Micro, tmp_path: Path) -> None:
    code, _ = stop(micro, signal.SIGKILL, "start.py", *RECORD, tmp_path / "kept")
    assert code == -signal.SIGKILL
    micro.wait_until_gone()
    assert micro.scratch() == []


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        (signal.SIGINT, ""),
        (signal.SIGTERM, "setsid --fork "),
        (signal.SIGKILL, ""),
        (signal.SIGKILL, "setsid --fork "),
    ],
)
def test_what_a_side_of_ab_started_ends_with_it(
    number: signal.Signals, prefix: str, micro: Micro, tmp_path: Path
) -> None:
    side = tmp_path / "side"
    side.write_text(SLOW_SIDE.replace("sleep", f"{prefix}sleep").replace(":", "sleep 58"))
    command = f"sh '{side}'"
    code, said = stop(micro, number, "sleep", "ab", "fd", "--a", command, "--b", command)
    if number == signal.SIGKILL:
        assert code == -signal.SIGKILL
        micro.wait_until_gone()
        assert (
            micro("list", "--check").returncode == 0
        )  # the next command removes the scratch directory
    else:
        assert code == 128 + number
        assert "stopped early, after 0 of 11 blocks" in said
    assert micro.left() == []
    assert micro.scratch() == []


#: Ctrl-C comes when micro begins to import the module of its first argument.
EARLY = """
import os, signal, sys
awaited, sys.argv[1:] = sys.argv[1], ["list"]
class Interrupt:
    def find_spec(self, name, *_):
        if name == awaited:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
signal.signal(signal.SIGINT, signal.default_int_handler)
from micro.__main__ import program
sys.exit(program())
"""


@pytest.mark.parametrize("module", ["micro.cli", "micro.commands.list", "micro.app.interruption"])
def test_while_micro_starts_it_is_ended_without_a_word(module: str, micro: Micro) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY, module],
        env={**micro.env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
