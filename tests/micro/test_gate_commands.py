"""`micro baseline`, `compare` and `selftest` from end to end."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from micro_process import Inside, Micro
from sample_baseline import figures

from micro.__main__ import main
from micro.app import recording
from micro.reports.markup import markdown_text
from runners.archive import baselines
from runners.archive.writer import write
from runners.machine.environment import describe, key

# The commands


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Stored sessions of this machine's key, as if it had measured the sample figures."""
    facts = describe()
    home = tmp_path / "stored" / key(facts)
    home.mkdir(parents=True)
    for number in range(8):
        shown = figures(number)
        shown.environment = facts
        write(shown, home / f"20260101T0{number}0000Z.json")
    return tmp_path / "stored"


def a_session(tmp_path: Path, **changes: Any) -> Path:
    shown = figures(9, **changes)
    shown.environment = describe()
    path = tmp_path / "now.json"
    write(shown, path)
    return path


def test_compare_in_one_go(micro: Micro, folder: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    path = a_session(tmp_path, slower=1.3, only="a.x")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    done = micro("compare", path, "--baselines", folder, "--markdown", tmp_path / "m.md", env=env)
    assert done.returncode == 3
    assert "::error title=micro::a.x regressed" in done.stdout
    assert summary.read_text().startswith("before\n## micro: REGRESSED")
    assert "regressed" in (tmp_path / "m.md").read_text()


def test_a_directory_of_new_sessions_is_judged_as_one(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    assert main(["compare", str(new), "--baselines", str(folder)]) == 2
    for number, boot in enumerate(("one", "one", "two")):
        shown = figures(number, slower=1.3, only="a.x")
        shown.environment = {**describe(), "boot": boot}
        write(shown, new / f"{number}.json")
    assert main(["compare", str(new), "--baselines", str(folder)]) in (0, 3)
    said = capsys.readouterr()
    assert "no session in this directory" in said.err
    assert "3 sessions of 2 boots, judged as one" in " ".join(said.out.split())
    assert "a.x" in said.out
    shown.environment = {**shown.environment, "cpu_count": 999}
    write(shown, new / "other.json")
    assert main(["compare", str(new), "--baselines", str(folder)]) == 2
    assert "give each its own directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code"),
    [((), 3), (("--fail-on", "4"), 0), (("--fail-on", "none"), 0), (("--bisect",), 1)],
)
def test_compare_fails_as_it_is_told(
    options: tuple[str, ...], code: int, inside: Inside, folder: Path, tmp_path: Path
) -> None:
    path = a_session(tmp_path, slower=1.3)
    done = inside("compare", path, "--baselines", folder, "--json", *options)
    assert done.returncode == code
    assert json.loads(done.stdout)["counts"]["regressed"] >= 9


def test_mistakes_are_skipped_when_bisecting(inside: Inside, tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    assert inside("compare", missing).returncode == 2
    assert inside("compare", missing, "--bisect").returncode == 125
    assert inside("compare", "--fail-on", "9").returncode == 2
    wrong = ("all", "--only", "fd.opne_close", "--compare", "auto")
    assert inside(*wrong).returncode == 2
    assert inside(*wrong, "--bisect").returncode == 125
    assert inside("compare", "--no-such-option", "--bisect").returncode == 125
    done = inside("compare")
    assert (done.returncode, "micro all" in done.stderr) == (2, True)


def test_a_first_run_has_no_baseline_and_does_not_fail(inside: Inside, tmp_path: Path) -> None:
    path, empty = a_session(tmp_path), tmp_path / "empty"
    empty.mkdir()
    assert inside("compare", path, "--baselines", empty).returncode == 0
    assert inside("compare", path, "--baselines", empty, "--fail-on", "3,6").returncode == 6


def test_a_folder_of_sessions_with_any_names_is_a_baseline(
    inside: Inside, folder: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate((folder / key(describe())).iterdir()):
        path.rename(flat / f"before-{number}.json")
    done = inside("compare", a_session(tmp_path, slower=1.3), "--baselines", flat)
    assert done.returncode == 3
    assert "Against 8 sessions" in done.stdout


def test_a_bad_file_of_the_baseline_is_named_and_the_rest_judged(
    inside: Inside, folder: Path, tmp_path: Path
) -> None:
    bad = folder / key(describe()) / "20260102T000000Z.json"
    bad.write_text("[" * 10_000)
    done = inside("compare", a_session(tmp_path), "--baselines", folder)
    assert done.returncode == 0
    assert "Against 8 sessions" in done.stdout
    assert bad.name in done.stdout.replace("\n", "")


def test_all_measures_and_judges(micro: Micro, folder: Path) -> None:
    done = micro("all", "--quick", "--only", "fd.open_close", "--compare", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["new"] == 1
    wrong = micro("all", "--compare", folder / "nowhere")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_baselines_are_listed_shown_accepted_and_pruned(
    inside: Inside, folder: Path, tmp_path: Path
) -> None:
    def baseline(action: str, *options: object) -> Any:
        return inside("baseline", action, "--baselines", folder, *options)

    here = key(describe())
    assert here in baseline("list").stdout
    assert str(folder / here) in baseline("path").stdout.replace("\n", "")
    assert "a.x" in baseline("show").stdout
    slow = a_session(tmp_path, slower=1.3)
    refused = baseline("accept", slow)
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    assert len(list((folder / here).iterdir())) == 8
    accepted = baseline("accept", slow, "--force", "meant to be")
    assert accepted.returncode == 0
    assert re.search(r"this costs: changes of a\.\w+ are now found from \d", accepted.stderr)
    (added,) = re.findall("reset --from (.*)", accepted.stderr)
    reset = tmp_path / "another" / here
    shutil.copytree(folder / here, reset)
    begun = inside(
        "baseline", "reset", "--from", reset / Path(added).name, "--baselines", reset.parent
    )
    assert (begun.returncode, [file.name for file in reset.iterdir()]) == (0, [Path(added).name])
    other = inside("baseline", "reset", "--from", slow, "--baselines", tmp_path / "new")
    assert (other.returncode, len(list((tmp_path / "new" / here).iterdir()))) == (0, 1)
    assert baseline("prune", "--keep", "2").returncode == 0
    assert len(list((folder / here).iterdir())) == 2
    assert baseline("prune", "--keep", "0").returncode == 2
    for key_ in ("../x", "..", ""):
        assert baseline("list", "--key", key_).returncode == 2


def test_prune_counts_all_that_it_keeps_of_one_boot(inside: Inside, folder: Path) -> None:
    here = folder / key(describe())
    for number in range(12):
        session = figures(number)
        session.environment = describe()
        write(session, here / f"20270101T{number:02}0000Z.json.gz")
    done = inside("baseline", "prune", "--keep", "12", "--baselines", folder)
    assert "8 removed, 12 kept" in " ".join(done.stderr.split())


def test_sessions_by_any_name_in_one_directory_are_read_and_not_hidden(
    inside: Inside, folder: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted((folder / key(describe())).iterdir())):
        shutil.copy(path, flat / f"monday-{number}.json")
    new = a_session(tmp_path)
    assert "Against 8 sessions" in inside("compare", new, "--baselines", flat).stdout
    listed = inside("baseline", "list", "--baselines", flat)
    assert ["flat", "8"] in [line.split()[:2] for line in listed.stdout.splitlines()]
    shown = inside("baseline", "show", "--baselines", flat)
    assert "8 sessions, on" in " ".join(shown.stdout.split())
    # Below the directory, a new session would hide those in it.
    for words in (("record",), ("accept", new), ("prune", "--keep", 1), ("reset", "--from", new)):
        done = inside("baseline", *words, "--baselines", flat)
        assert done.returncode == 2
        assert "micro baseline accept FILE --baselines DIR" in done.stderr
    assert len(list(flat.iterdir())) == 8


def test_sessions_of_another_system_are_no_baseline(
    inside: Inside, folder: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (folder / key(describe())).iterdir():
        shutil.copy(path, flat)
    other = figures(9)
    other.environment = {**describe(), "os": "freebsd"}
    write(other, flat / "20260103T000000Z.json")
    new = a_session(tmp_path, slower=1.3)
    done = inside("compare", new, "--baselines", flat)
    assert done.returncode == 3
    assert "Against 8 sessions" in done.stdout
    assert "Not compared with: 1 of another system." in done.stdout
    done = inside("compare", new, "--baselines", flat / "20260103T000000Z.json")
    assert done.returncode == 2
    assert "20260103T000000Z.json: of freebsd-" in " ".join(done.stderr.split())
    assert "micro compare BEFORE AFTER" in done.stderr
    done = inside("all", "--only", "cpu", "--compare", flat / "20260103T000000Z.json")
    assert (done.returncode, done.stdout) == (2, "")
    alone = tmp_path / "alone"
    alone.mkdir()
    (flat / "20260103T000000Z.json").rename(alone / "20260103T000000Z.json")
    for action in ("list", "show"):  # nothing is judged there
        assert inside("baseline", action, "--baselines", alone).returncode == 0


def test_the_directory_of_a_key_is_a_directory_of_baselines(
    inside: Inside, folder: Path, tmp_path: Path
) -> None:
    home = folder / key(describe())
    assert home.name in inside("baseline", "list", "--baselines", home).stdout
    assert inside("baseline", "accept", a_session(tmp_path), "--baselines", home).returncode == 0
    assert (len(list(home.glob("*.json*"))), len(list(home.iterdir()))) == (9, 9)


def test_no_baseline_is_said_without_ages(inside: Inside, tmp_path: Path) -> None:
    done = inside("baseline", "show", "--baselines", tmp_path)
    assert done.stdout.replace("\n", "") == f"no sessions in {tmp_path / key(describe())}"


def test_what_came_with_micro_is_compared_with_on_request_and_never_changed(
    micro: Micro, tmp_path: Path
) -> None:
    assert str(micro.home / ".local/share/micro/baselines") in (
        micro("baseline", "path", cwd=tmp_path).stdout.replace("\n", "")
    )
    shipped = micro("baseline", "list", "--baselines", "shipped", cwd=tmp_path)
    assert "linux-x86_64-2cpu" in shipped.stdout
    for words in (("prune", "--keep", 1), ("reset", "--from", a_session(tmp_path))):
        done = micro("baseline", *words, "--baselines", "shipped", cwd=tmp_path)
        assert done.returncode == 2
        assert "not changed" in done.stderr


def test_record_adds_whole_sessions(tmp_path: Path, monkeypatch: Any) -> None:
    def measured(file: Path, *_: bool) -> int:
        shown = figures(1)
        shown.environment = describe()
        write(shown, file)
        return 0

    paused: list[float] = []
    monkeypatch.setattr(recording, "measure_session", measured)
    monkeypatch.setattr(recording.time, "sleep", paused.append)
    arguments = ["baseline", "record", "--baselines", str(tmp_path), "--gap", "7"]
    folder = tmp_path / key(describe())
    assert main(arguments) == 0
    assert len(list(folder.iterdir())) == 5
    assert paused == [7.0] * 4
    assert main(arguments) == 0
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (("before", "before"), None),
        (("before", "after"), "1 is of micro's present code: `micro baseline record --sessions 4`"),
        ((None, None), None),
    ],
)
def test_record_says_how_many_sessions_are_of_the_present_code(
    codes: tuple[str | None, str | None],
    said: str | None,
    tmp_path: Path,
    monkeypatch: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def of_code(code: str | None) -> Callable[..., int]:
        def measured(file: Path, *_: bool) -> int:
            shown = figures(1)
            shown.environment = describe()
            for result in shown.results:
                result.code = code
            write(shown, file)
            return 0

        return measured

    for code in codes:
        monkeypatch.setattr(recording, "measure_session", of_code(code))
        capsys.readouterr()
        assert main(["baseline", "record", "--baselines", str(tmp_path)]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert (said is None) == ("present code" not in told)
    assert said is None or said in told


def test_a_session_in_which_probes_failed_is_no_baseline(
    tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(file: Path, *_: bool) -> int:
        shown = figures(1, failed=True)
        shown.environment = describe()
        write(shown, file)
        return 1

    monkeypatch.setattr(recording, "measure_session", measured)
    arguments = ["--baselines", str(tmp_path)]
    assert main(["baseline", "record", *arguments]) == 1
    folder = tmp_path / key(describe())
    (kept,) = folder.iterdir()
    said = capsys.readouterr().err
    assert str(kept) in said
    assert "a.broken failed: fork: EAGAIN" in said
    assert main(["baseline", "accept", str(kept), *arguments]) == 2
    assert main(["baseline", "accept", str(kept), *arguments, "--force", "no fork here"]) == 0
    assert main(["baseline", "record", *arguments]) == 0  # the stored session fails there, too


def test_the_sessions_of_another_machine_are_not_recorded_here(
    inside: Inside, folder: Path
) -> None:
    done = inside("baseline", "record", "--key", "linux-riscv64-9cpu", "--baselines", folder)
    assert done.returncode == 2
    assert f"this machine's sessions are of {key(describe())}" in " ".join(done.stderr.split())
    assert not (folder / "linux-riscv64-9cpu").exists()


def test_where_a_baseline_cannot_be_written_nothing_is_measured(inside: Inside) -> None:
    done = inside("baseline", "record", "--sessions", "1", "--baselines", "/dev/null/x")
    assert done.returncode == 2
    assert "/dev/null/x" in done.stderr
    assert "--baselines" in done.stderr


def test_a_directory_of_baselines_that_is_missing_is_named(inside: Inside, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for words in (
        ("baseline", "prune", "--keep", 1),
        ("baseline", "list"),
        ("baseline", "show"),
        ("selftest", "aa"),
        ("compare", a_session(tmp_path)),
    ):
        done = inside(*words, "--baselines", missing)
        assert done.returncode == 2
        assert f"error: {missing}: no such directory" in done.stderr
    assert not missing.exists()


@pytest.mark.parametrize("action", ["record", "accept", "reset"])
def test_a_full_disk_loses_no_session(
    action: str, inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    def measured(file: Path, *_: bool) -> int:
        a_session(tmp_path).rename(file)
        return 0

    monkeypatch.setattr(recording, "measure_session", measured)
    monkeypatch.setattr(baselines, "write", full)
    given = {
        "record": (),
        "accept": (a_session(tmp_path),),
        "reset": ("--from", a_session(tmp_path)),
    }
    done = inside("baseline", action, *given[action], "--baselines", tmp_path / "stored")
    folder = tmp_path / "stored" / key(describe())
    assert done.returncode == 2
    assert f"error: {folder} cannot be written: No space left on device" in done.stderr
    kept = list(folder.iterdir())
    assert [str(path) in done.stderr for path in kept] == [True] * (action == "record")


def test_the_selftest_over_stored_sessions(inside: Inside, folder: Path, tmp_path: Path) -> None:
    done = inside("selftest", "aa", "--baselines", folder)
    assert done.returncode == 0
    assert done.stdout.startswith("8 sessions, each against 7 others; ")
    assert "sessions with a false regression: 0 of 8 (0.0% to 36.9%)" in done.stdout
    done = inside("selftest", "power", "--baselines", folder)
    assert done.stdout.startswith("Simulated")
    assert "+20%: regressed 72 of 72" in done.stdout
    assert inside("selftest", "aa", "--baselines", tmp_path / "home").returncode == 2


@given(st.text(max_size=80))
def test_any_text_is_escaped_into_one_printable_line(text: str) -> None:
    shown = markdown_text(text)
    assert shown.isprintable()
    outside = "".join(shown.split("`")[::2])
    assert not set("<>|`@#[]*_") & set(outside)
