"""`python -m micro` as a user meets it: what is printed where, exit codes, files."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from micro_process import DEADLINE_S, ROOT, Inside, Micro, has_number, sound, usage_error

from micro import commands
from micro.__main__ import main
from micro.cli import parser
from micro.commands.run import chosen_jobs
from micro.probes.catalogue import all_probes
from runners.archive.reader import read

#: One cheap probe.
BRIEF = ("all", "--only", "fd.open_close", "--quick")
NAMES = [probe.name for probe in all_probes()]


# Measuring


def test_table_on_stdout_and_progress_on_stderr(micro: Micro) -> None:
    done = micro(*BRIEF, "--budget", 20)
    assert done.returncode == 0
    assert re.search(
        r"fd\.open_close +[\d.]+ [nµm]s +(±[\d.]+%|–) +[\d.]+ [nµm]s +\d+", done.stdout
    )
    assert re.search(r"^1 figure: 1 (ok|unstable)\.$", done.stdout, re.MULTILINE)
    assert "round 1" not in done.stdout
    head, *lines = done.stderr.splitlines()
    assert head.startswith("doctor: ")
    assert lines[0].startswith("round 1: 0% measured")
    rounds = [line.partition(":")[0] for line in lines[:-1]]
    assert rounds == [f"round {n}" for n in range(1, len(rounds) + 1)]
    assert "\x1b" not in done.stdout + done.stderr


def test_without_an_output_file_the_session_is_kept_in_the_state_directory(micro: Micro) -> None:
    done = micro(*BRIEF)
    file = Path(done.stderr.splitlines()[-1].removeprefix("stored in "))
    assert file.parent.parent == micro.home / "state" / "micro" / "sessions"
    assert [result.name for result in read(file).results] == ["fd.open_close"]


def test_two_sessions_of_the_same_second_are_both_kept(micro: Micro) -> None:
    both = [micro.start(*BRIEF) for _ in range(2)]
    for process in both:
        with process:
            process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
    assert len(list((micro.home / "state" / "micro" / "sessions").rglob("*.json"))) == 2


def test_json_is_one_document_and_nothing_else(micro: Micro, tmp_path: Path) -> None:
    done = micro(*BRIEF, "--json", "-o", tmp_path / "out.json")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert has_number(sound(done.stdout)["fd.open_close"])
    plain = json.loads(done.stdout, parse_constant=pytest.fail)
    assert plain["environment"]["arch"]
    shown = micro("show", "--json", tmp_path / "out.json")
    assert json.loads(shown.stdout)["results"] == plain["results"]


def test_nothing_in_a_result_tells_who_and_where(micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    text = micro(*BRIEF, "--json", "-o", file).stdout + file.read_text(encoding="utf-8")
    for secret in (os.uname().nodename, str(tmp_path), str(ROOT), sys.prefix):
        assert secret not in text


def test_quiet_says_nothing_on_stderr(micro: Micro, tmp_path: Path) -> None:
    done = micro(*BRIEF, "--quiet", "-o", tmp_path / "out.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fd.open_close" in done.stdout


def test_run_takes_names_and_parameters(micro: Micro) -> None:
    done = micro(
        *("run", "memory.copy", "malloc", "--quick", "--json"),
        *("-p", "size=4k", "-p", "threads=1,2"),
    )
    assert done.returncode == 0
    results = sound(done.stdout, "memory.copy", "malloc.threads")
    assert [r["x"] for r in results["memory.copy"]] == [4096]
    assert [r["bytes_per_op"] for r in results["memory.copy"]] == [4096]
    assert [r["params"] for r in results["malloc.threads"]] == [
        {"size": 4096, "threads": 1},
        {"size": 4096, "threads": 2},
    ]


def test_trace_times_short_operations_too(micro: Micro) -> None:
    arguments = ("run", "memory.copy", "-p", "size=256", "--quick", "--json")
    (plain,) = sound(micro(*arguments).stdout)["memory.copy"]
    (traced,) = sound(micro(*arguments, "--trace").stdout)["memory.copy"]
    assert plain["percentiles"] is None
    assert set(traced["percentiles"]) >= {"p50", "p99", "max"}


def test_exclude(micro: Micro) -> None:
    done = micro(
        *("all", "--only", "fd.open*", "process", "--exclude", "*interleaved", "process.*"),
        *("--quick", "--json"),
    )
    assert set(sound(done.stdout)) == {"fd.open_close"}


@pytest.mark.skipif(
    not (sys.platform.startswith("linux") and shutil.which("cc")),
    reason="no library to preload can be made here",
)
def test_another_allocator_is_named_in_what_is_printed_and_stored(
    micro: Micro, tmp_path: Path
) -> None:
    library, file = tmp_path / "libown.so.3", tmp_path / "session.json"
    source = ROOT / "tests" / "runners" / "measure" / "own_allocator.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", "-o", library, source], check=True)
    done = micro(*BRIEF, "--allocator", library, "-o", file)
    assert done.returncode == 0
    assert "libown.so.3" in done.stdout.splitlines()[0]
    assert read(file).environment["allocator"] == library.name
    assert str(tmp_path) not in file.read_text(encoding="utf-8") + done.stdout
    plain = json.loads(micro(*BRIEF, "--json").stdout)
    assert "allocator" not in plain["environment"]


# Usage errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "required: COMMAND"),
        (("al",), "invalid choice: 'al'"),
        (("all", "--quick", "--rigorous"), "--rigorous: not allowed with argument --quick"),
        (("run",), "required: NAME"),
        (("show",), "no session of this machine is stored yet"),
        (("run", "fd.open_clsoe"), "'fd.open_clsoe'; did you mean: fd.open_close"),
        (("all", "--only", "fd.open_clsoe"), "did you mean: fd.open_close"),
        (("all", "--only", "nothing.*"), "no probe matches 'nothing.*'"),
        (("all", "--exclude", "fd.open_clsoe"), "did you mean: fd.open_close"),
        (("all", "--exclude", "*"), "leave no probe"),
        (("all", "--only", "fd", "--exclude", "fd.*"), "leave no probe"),
        (("run", "malloc.threads", "-p", "size=-1"), "size=-1: must be from 1"),
        (("run", "malloc.threads", "-p", "threads=1e9"), "threads=1e9: not a whole number"),
        (("run", "malloc.threads", "-p", "threads=1000000000"), "must be from 1 to 4,096"),
        (("run", "malloc.threads", "-p", "sizes=1"), "sizes: no probe chosen has it"),
        (("run", "fd.open_close", "-p", "size=1"), "parameters here: none"),
        (("run", "malloc.threads", "-p", "size"), "expected KEY=VALUE"),
        (("run", "malloc.threads", "-p", "size="), "expected KEY=VALUE"),
        (("run", "malloc.threads", "-p", "=1"), "expected KEY=VALUE"),
        (("run", "memory.copy", "-p", "variant=fast"), "must be one of libc, loop, nontemporal"),
        (("run", "malloc", "--allocator", "/no/lib.so"), "--allocator /no/lib.so: no such file"),
        (("all", "--allocator", os.path.sep), "name a shared library"),
        (("all", "--allocator", "x" * 5000), "the name is too long"),
        (("all", "--allocator", __file__), "is no shared library"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], expected: str, inside: Inside) -> None:
    assert expected in usage_error(inside(*arguments))


@pytest.mark.parametrize("seconds", ["0", "-3", "nan", "inf", "1e300", "soon", ""])
def test_budgets_that_are_none(seconds: str, inside: Inside) -> None:
    sentence = usage_error(inside("all", f"--budget={seconds}"))
    assert f"{seconds!r}: expected seconds above 0 and below 10,000,000" in sentence


def test_a_budget_too_small_for_anything_gives_one_visit(micro: Micro) -> None:
    done = micro(
        "all", "--only", "fd.open_close", "thread.create_join", "--budget", "1e-9", "--json"
    )
    results = [result for some in sound(done.stdout).values() for result in some]
    visited = [result for result in results if has_number([result])]
    others = [result for result in results if result not in visited]
    assert len(visited) == 1
    assert visited[0]["status"] == "unstable"
    assert len(others) > 0
    assert all(other["status"] == "skipped" and "budget" in other["reason"] for other in others)


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


def test_a_state_directory_that_cannot_be_written_is_said(micro: Micro) -> None:
    done = micro(*BRIEF, env={"XDG_STATE_HOME": "/dev/null"})
    assert done.returncode == 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("micro: not stored: /dev/null/micro/sessions/")
    assert "-o FILE" in last


def test_a_full_disk_loses_the_file_but_not_the_numbers(micro: Micro, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    done = micro(*BRIEF, "--json", "-o", file, weather=["limit=FSIZE:1000"])
    assert done.returncode == 1
    assert has_number(sound(done.stdout)["fd.open_close"])
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"micro: not stored: {file}: File too large")
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


# The list


def test_list_names_every_probe(micro: Micro) -> None:
    done = micro("list")
    assert (done.returncode, done.stderr) == (0, "")
    for probe in all_probes():
        assert probe.name in done.stdout
    assert "size=256…67108864" in done.stdout


def test_list_json(micro: Micro) -> None:
    done = micro("list", "--check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    plain = json.loads(done.stdout)
    assert plain["schema"] == 1
    assert [probe["name"] for probe in plain["probes"]] == NAMES
    for probe, declared in zip(plain["probes"], all_probes(), strict=True):
        assert probe["available"] == (probe["reason"] is None)
        assert probe["levels"] == list(declared.axis.levels if declared.axis else ())
        assert probe["params"].keys() == declared.params.keys()
        assert probe["title"]
        assert probe["method"]
        assert probe["source"]


def test_list_tells_why_a_probe_cannot_run_here(micro: Micro) -> None:
    done = micro("list", "--check", "--json", weather=["forbid=epoll_create1"])
    assert done.returncode == 0
    by_name = {probe["name"]: probe for probe in json.loads(done.stdout)["probes"]}
    assert by_name["fd.open_close"]["available"]
    assert not by_name["event.epoll"]["available"]
    assert "epoll_create1" in by_name["event.epoll"]["reason"]


def test_list_of_a_family_tries_nothing_unasked(inside: Inside) -> None:
    plain = json.loads(inside("list", "event", "fd.o*", "--json").stdout)["probes"]
    assert {probe["name"].partition(".")[0] for probe in plain} == {"event", "fd"}
    assert not any("available" in probe for probe in plain)


def test_every_command_is_listed_and_has_two_examples_that_parse() -> None:
    found = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert {name for name in found if not name.startswith("_")} == set(commands.COMMANDS)
    whole = parser()
    for name in commands.COMMANDS:
        examples = importlib.import_module(f"micro.commands.{name}").EXAMPLES
        assert len(examples) >= 2
        for example in examples:
            program, *words = shlex.split(example)
            assert (program, words[0]) == ("micro", name)
            whole.parse_args(words)


def test_help_and_list_load_only_what_they_need() -> None:
    code = "import sys, micro.cli; micro.cli.run(sys.argv[1:]);print(*sys.modules, file=sys.stderr)"
    for words, heavy in (
        (["--help"], {"numpy", "pyperf", "rich", "shtab"}),
        (["list"], {"numpy", "pyperf"}),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        assert heavy.isdisjoint(done.stderr.split())


def test_version(micro: Micro) -> None:
    assert re.fullmatch(r"micro (\d[\w.+]*|\(not installed\))\n", micro("--version").stdout)


# Another project's packages, and a checkout that is not built


@pytest.mark.parametrize("package", ["runners", "cyext"])
def test_foreign_packages_are_named(package: str, micro: Micro, tmp_path: Path) -> None:
    foreign = tmp_path / package
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise SystemExit('foreign code ran')", encoding="utf-8")
    done = micro.uninstalled("list", cwd=tmp_path, path=[ROOT])
    sentence = usage_error(done)
    assert str(foreign) in sentence
    assert "run from another directory" in sentence
    cured = micro.uninstalled("--version", cwd=tmp_path, path=[ROOT], safe=True)
    assert (cured.returncode, cured.stderr) == (0, "")


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    """A copy of the checkout before its workloads were built."""
    copy = tmp_path / "checkout"
    for package in ("micro", "runners", "cyext", "baselines"):
        ignored = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    return copy


def test_unbuilt_checkouts_say_how_to_build_them(micro: Micro, unbuilt: Path) -> None:
    for command in (("all",), ("run", "fd.open_close")):
        sentence = usage_error(micro.uninstalled(*command, cwd=unbuilt))
        assert "not built" in sentence
        assert "pip install" in sentence


def test_unbuilt_checkouts_list_and_show(micro: Micro, unbuilt: Path, sample: Path) -> None:
    done = micro.uninstalled("list", "--check", "--json", cwd=unbuilt)
    assert (done.returncode, done.stderr) == (0, "")
    probes = json.loads(done.stdout)["probes"]
    assert [probe["name"] for probe in probes] == NAMES
    assert not any(probe["available"] for probe in probes)
    assert all("not built" in probe["reason"] for probe in probes)
    shown = micro.uninstalled("show", sample, cwd=unbuilt)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "2.00 µs" in shown.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands_and_their_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    assert "baseline" in script
    assert "rigorous" in script
    assert "sampling" in script


def test_help_lists_the_pages_and_prints_one(capsys: pytest.CaptureFixture[str]) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in ROOT.glob("docs/*.md")}
    assert main(["help"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == sorted(pages)
    assert main(["help", "gate"]) == 0
    assert capsys.readouterr().out == pages["gate"]


@pytest.mark.parametrize(
    ("topic", "sentence"),
    [("nothing", "the pages are ci, "), ("run", "micro run --help explains the command")],
)
def test_help_on_an_unknown_topic_says_what_there_is(
    topic: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", topic]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"micro: error: there is no page '{topic}'")
    assert sentence in line


def test_of_many_probes_those_that_cannot_be_a_team_are_left_out_by_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jobs = chosen_jobs(["syscall.*"], ["members=1,2"], "quick")
    assert {job.workers for job in jobs} == {"threads"}
    assert {job.name for job in jobs} == {
        probe.name for probe in all_probes() if probe.family == "syscall"
    } - {"syscall.brk", "syscall.seccomp"}
    assert capsys.readouterr().err.splitlines() == [
        "micro: left out: syscall.brk cannot run as threads: threads have one heap",
        "micro: left out: syscall.seccomp cannot run as threads: it times itself",
    ]


def test_a_team_that_no_chosen_probe_can_be_is_wrong_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "ipc", "-p", "members=2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "micro: error: ipc.pipe cannot run as threads: it has peers of its own"
