"""`micro show` of stored sessions: what is printed of good and of bad files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from micro_process import Inside, Micro, sound
from sample_sessions import everything, measured, session

from runners.archive import writer


def test_show_prints_a_stored_session(inside: Inside, sample: Path) -> None:
    done = inside("show", sample)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2.00 µs" in done.stdout
    assert "fork: EAGAIN after 19993" in done.stdout
    assert "open_fds=1,024" not in done.stdout or "open_fds=128" not in done.stdout
    full = inside("show", "--full", sample).stdout
    assert "open_fds=1,024" in full
    assert "open_fds=128" in full


@pytest.mark.parametrize("text", ["::error file=x::pwn", "##[error]pwn"])
def test_no_text_of_a_session_is_a_workflow_command(
    text: str, inside: Inside, tmp_path: Path
) -> None:
    shown = everything()
    shown.environment = dict.fromkeys(shown.environment, text)
    shown.results[0].reason, shown.results[0].status = text, "unstable"
    file = tmp_path / "session.json"
    writer.write(shown, file)
    forms: list[tuple[object, ...]] = [("show",), ("show", "--noise"), ("table",)]
    forms += [("table", "--format", form) for form in ("md", "csv")]
    for arguments in [*((*form, file) for form in forms), ("show", file / text)]:
        done = inside(*arguments)
        for line in (done.stdout + done.stderr).splitlines():
            assert not line.lstrip().startswith("::"), line
            assert "##[" not in line, line


def test_show_noise(inside: Inside, sample: Path) -> None:
    done = inside("show", "--noise", sample)
    assert done.returncode == 0
    assert re.search(r"fd\.open_close +15\.4% +0\.0%", done.stdout)
    assert "median of all" in done.stdout


def test_show_json_is_a_document_a_file(inside: Inside, sample: Path) -> None:
    done = inside("show", "--json", sample, sample)
    first, second = done.stdout.splitlines()
    assert first == second
    assert set(sound(first)) == {result.name for result in everything().results}


def test_show_names_the_bad_files_and_shows_the_others(
    inside: Inside, sample: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    writer.write(session([measured("fd.other", 1e-6)]), other)
    bad = {
        "garbage.json": b"\xff\xfe\x00garbage",
        "empty.json": b"",
        "foreign.json": b'{"version": "1.0", "benchmarks": []}',
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    names = [*bad, "missing.json", "."]
    done = inside("show", sample, *(tmp_path / name for name in names), other)
    assert done.returncode == 2
    assert "fd.open_close" in done.stdout
    assert "fd.other" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == len(names)
    for line, name in zip(lines, names, strict=True):
        assert line.startswith(f"micro: error: {tmp_path / name}: ")


@pytest.mark.parametrize("name", ["[red]x.json", "x[/red].json", "\x1b[31mx.json", "x\ny.json"])
def test_show_of_files_with_hostile_names(
    name: str, inside: Inside, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)  # "x[/red].json" is a file in "x["
    shutil.copy(sample, file)
    done = inside("show", file, sample, tmp_path / f"missing{name}")
    assert done.returncode == 2
    readable = "".join(c if c.isprintable() else "?" for c in name)
    assert f" {tmp_path}/{readable} " in done.stdout
    assert f"missing{readable}: No such file or directory\n" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_an_encoding_that_lacks_the_signs_gets_plain_letters(micro: Micro, sample: Path) -> None:
    env = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    shown = micro("show", sample, sample, env=env)
    listed = micro("list", env=env)
    for done in (shown, listed):
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()
    assert "2.00 us" in shown.stdout
    assert "256...67108864" in listed.stdout


def test_colours_only_where_wanted(
    inside: Inside, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour = re.compile(r"\x1b\[(\d+;)*[39][0-7]m")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in inside("show", sample).stdout
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colour.search(inside("show", sample).stdout)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(inside("show", sample).stdout)


@pytest.mark.parametrize("columns", ["80", "0", "1", "x", "-5", "99999"])
def test_any_width_of_terminal(
    columns: str, inside: Inside, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = inside("show", sample)
    assert (done.returncode, done.stderr) == (0, "")
    if columns == "80":
        assert max(map(len, done.stdout.splitlines())) <= 80
