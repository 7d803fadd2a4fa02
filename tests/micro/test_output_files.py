"""Files that a command writes: looked at before measuring, never replaced; and full disks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from micro_process import BRIEF, Inside, Micro, has_number, last_sentence, sound, usage_error
from test_explain_command import POLL, profile

from runners.archive.reader import read
from runners.explain.sampling import Explained
from runners.model.job import Job


def test_an_output_file_is_never_overwritten(micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    file.write_text("mine", encoding="utf-8")
    assert "exists already" in usage_error(micro(*BRIEF, "-o", file))
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".", "is a directory"),
        ("missing/out.json", "does not exist"),
        ("\x1b[31m/out.json", "/?[31m/out.json: directory"),
        ("file/out.json", "does not exist"),
        ("x" * 300, "the name is too long"),
        ("/proc/out.json", "cannot be written: "),
    ],
)
def test_bad_output_files_are_told_before_measuring(
    name: str, expected: str, inside: Inside, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert expected in usage_error(inside(*BRIEF, "-o", tmp_path / name))


def test_output_file_relative_to_the_current_directory(micro: Micro, tmp_path: Path) -> None:
    assert micro(*BRIEF, "-o", "out.json", cwd=tmp_path).returncode == 0
    assert read(tmp_path / "out.json").results
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.json"]


@pytest.mark.parametrize("name", ["/dev/full", ""])
def test_an_output_that_is_no_new_file_is_told_without_dangerous_advice(
    name: str, inside: Inside
) -> None:
    sentence = usage_error(inside(*BRIEF, "-o", name))
    assert "not a regular file" in sentence if name else "empty" in sentence
    assert "remove" not in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", ""),
        ("compare", "", ""),
        ("compare", "--baselines", ""),
        ("all", "--compare", ""),
        ("table", ""),
        ("table", "x" * 300),
        ("compare", "x" * 300),
        ("baseline", "accept", ""),
        ("run", "malloc", "--allocator", ""),
    ],
)
def test_a_name_that_is_none_is_not_the_current_directory(
    arguments: tuple[str, ...], inside: Inside
) -> None:
    sentence = usage_error(inside(*arguments))
    assert "the file's name is empty" in sentence or "the name is too long" in sentence


@pytest.mark.parametrize("option", ["-o", "--folded", "--flame"])
def test_explain_looks_where_it_writes_before_it_measures(
    option: str, inside: Inside, tmp_path: Path
) -> None:
    done = inside("explain", "fd.open_close", option, tmp_path / "missing" / "x.json")
    assert "does not exist" in usage_error(done)


def test_the_gates_files_are_looked_at_before_measuring(inside: Inside, tmp_path: Path) -> None:
    done = inside(*BRIEF, "--compare", "auto", "--markdown", tmp_path / "missing" / "x.md")
    assert "does not exist" in usage_error(done)


def test_no_report_takes_the_place_of_a_session(inside: Inside, sample: Path) -> None:
    before = sample.read_bytes()
    for words in (("report", sample), ("explain", "fd.open_close")):
        assert "holds a session" in usage_error(inside(*words, "-o", sample))
    assert sample.read_bytes() == before


def test_a_report_is_written_to_a_device_and_does_not_replace_it(
    tmp_path: Path, inside: Inside, sample: Path
) -> None:
    fifo = tmp_path / "x.svg"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert inside("plot", "fd.open_interleaved", sample, "-o", fifo).returncode == 0
        assert os.read(reading, 1 << 16).startswith(b"<?xml")
    finally:
        os.close(reading)
    assert fifo.is_fifo()


# Where output cannot go


@pytest.mark.parametrize(
    "words",
    [
        ("report", "{sample}", "-o", "{full}"),
        ("plot", "fd.open_interleaved", "{sample}", "-o", "{full}.svg"),
        *(
            ("compare", "{sample}", "--baselines", "{sample}", option, "{full}")
            for option in ("--markdown", "--junit", "--bencher", "--github-benchmark")
        ),
    ],
)
def test_a_full_disk_is_one_sentence_that_names_the_file(
    words: tuple[str, ...], inside: Inside, sample: Path, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    for name in (full, full.with_suffix(".svg")):
        name.symlink_to("/dev/full")
    done = inside(*(word.format(sample=sample, full=full) for word in words))
    assert done.returncode == 2
    named = words[-1].format(full=full)
    assert last_sentence(done) == f"{named} cannot be written: No space left on device"
    assert ("compare" in words) == bool(done.stdout)  # the verdict is not lost with it


def test_a_full_disk_for_the_summary_of_a_job_is_named(
    inside: Inside, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/dev/full")
    done = inside("compare", sample, "--baselines", sample)
    assert done.returncode == 2
    assert last_sentence(done) == "/dev/full cannot be written: No space left on device"


def explained(job: Job) -> Explained:
    stacks = {(POLL,): 10_000}
    return Explained(job, [replace(profile("event.poll", 8000, 1000.0), stacks=stacks)])


@pytest.mark.parametrize("option", ["-o", "--folded", "--flame"])
def test_a_full_disk_for_profiles_loses_not_the_table(
    option: str, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("micro.commands.explain.explain", lambda jobs, *_: [explained(jobs[0])])
    done = inside("explain", "event.poll", option, "/dev/full", "--quiet")
    assert done.returncode == 2
    assert last_sentence(done) == "/dev/full cannot be written: No space left on device"
    assert "sock_poll" in done.stdout


def test_a_state_directory_that_cannot_be_written_is_said(micro: Micro) -> None:
    done = micro(*BRIEF, env={"XDG_STATE_HOME": "/dev/null"})
    assert done.returncode == 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("micro: not stored: /dev/null/micro/sessions/")
    assert "-o FILE" in last


def test_a_full_disk_loses_the_file_but_not_the_numbers(micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    done = micro(*BRIEF, "--json", "-o", file, weather=["limit=FSIZE:1000"])
    assert done.returncode == 2
    assert has_number(sound(done.stdout)["fd.open_close"])
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"micro: error: {file} cannot be written: File too large")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_full_disk_for_the_table_loses_not_the_file(micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = micro(*BRIEF, "-o", file, stdout=full)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "micro: error: No space left on device"
    assert read(file).results


def test_a_full_disk_for_the_progress_loses_nothing(micro: Micro, tmp_path: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = micro(*BRIEF, "--json", stderr=full)
    assert done.returncode == 0
    assert has_number(sound(done.stdout)["fd.open_close"])


@pytest.mark.parametrize("descriptor", [1, 2])
def test_closed_standard_streams(descriptor: int, micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    done = micro(*BRIEF, "--json", "-o", file, weather=[f"close={descriptor}"])
    assert done.returncode == 0
    assert read(file).results
    if descriptor == 2:
        assert has_number(sound(done.stdout)["fd.open_close"])
        assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("command", [("show", "--full"), ("show", "--json"), ("list",)])
def test_a_reader_that_leaves_is_no_error(
    command: tuple[str, ...], micro: Micro, sample: Path
) -> None:
    files = [sample] * 20 if command[0] == "show" else []
    with micro.start(*command, *files) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_reader_of_progress_that_leaves_ends_nothing(micro: Micro) -> None:
    with micro.start(*BRIEF, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        assert has_number(sound(process.stdout.read())["fd.open_close"])
    assert process.returncode == 0
