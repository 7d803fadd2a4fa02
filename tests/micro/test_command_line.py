"""`python -m micro` as a user meets it: what is printed where, exit codes, files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from micro_process import BRIEF, DEADLINE_S, ROOT, Inside, Micro, has_number, sound, usage_error

from micro.__main__ import main
from micro.commands.run import chosen_jobs
from micro.probes.catalogue import all_probes
from runners.archive.reader import read

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
        (("show", "--json", "--full"), "--full: not allowed with argument --json"),
        (("all", "--quick", "--junit", "x.xml"), "--junit takes --compare"),
        (("all", "--confirm"), "--confirm takes --compare"),
        (("all", "--fail-on", "none"), "--fail-on takes --compare"),
        (("verify", "--short", "--only", "linearity"), "no linearity"),
        (("explain", "a.json", "b.json", "--by", "subsystem"), "for probes that are measured now"),
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
    assert main(["run", "switch", "-p", "members=2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "micro: error: switch.ring cannot run as threads: it has peers of its own"
