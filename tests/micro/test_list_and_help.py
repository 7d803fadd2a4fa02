"""What micro tells without measuring: the list, help, completion, and what is missing here."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from micro_process import ROOT, Inside, Micro, usage_error

from micro import commands
from micro.__main__ import main
from micro.cli import parser
from micro.probes.catalogue import all_probes

NAMES = [probe.name for probe in all_probes()]


# The list


def test_list_names_every_probe(micro: Micro) -> None:
    done = micro("list")
    assert (done.returncode, done.stderr) == (0, "")
    for probe in all_probes():
        assert probe.name in done.stdout
    assert "size=256…67108864" in done.stdout


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_list_breaks_no_value_in_two(
    columns: int, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = inside("list")
    shown = set(re.split(r"[\s,=]+", done.stdout))
    for probe in all_probes():
        for choice in probe.params.values():
            assert {str(value) for value in getattr(choice, "values", ())} <= shown


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
