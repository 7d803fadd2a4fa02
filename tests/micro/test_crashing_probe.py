"""A probe that fails or crashes is reported by name, and the others go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from micro import cli
from micro.probes.declaration import Axis, Probe
from runners.archive.reader import read
from runners.measure.schedule import Settings


def probe(name: str, workload: str, **fields: Any) -> Probe:
    workload = f"tests.micro.crashing:{workload}"
    return Probe(name, workload, title=name, method="One operation.", source="tests", **fields)


PROBES = (
    probe("bad.crash", "Crash"),
    probe("bad.curve", "Crash", axis=Axis("n", (1, 2, 4, 8), (1, 2, 4, 8))),
    probe("bad.leave", "Leave"),
    probe("bad.refuse", "Refuse", params={"size": 8}),
    probe("bad.confused", "Confused"),
    probe("good.fine", "Fine"),
    Probe("good.real", "cyext.fd.descriptors:OpenClose", "real", "One operation.", "lmbench"),
)
REASONS = {
    "bad.crash": "crashed: SIGSEGV",
    "bad.curve": "crashed: SIGSEGV at n=4",
    "bad.leave": "worker ended with exit code 3",
    "bad.refuse[size=8]": "open: EMFILE after 19993, {'size': 8}",
    "bad.confused": "error in the probe's code: confused",
}


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("micro.commands.all.all_probes", lambda: PROBES)
    monkeypatch.setattr("micro.app.measuring.QUICK", Settings(rounds=1, budget_s=60.0))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_the_others_go_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    code = cli.run(["all", "--quick", "--quiet", "--json", "-o", str(file)])
    out, err = capsys.readouterr()
    assert code == 1
    assert sorted(err.splitlines()) == sorted(
        f"micro: {name} failed: {reason}" for name, reason in REASONS.items()
    )
    results: dict[str, list[dict[str, Any]]] = {}
    for result in json.loads(out)["results"]:
        results.setdefault(result["name"], []).append(result)
    for name, reason in REASONS.items():
        last = results[name.partition("[")[0]][-1]
        assert (last["status"], last["reason"], last["value"]) == ("failed", reason, None)
    for name in ("good.fine", "good.real"):
        (result,) = results[name]
        assert result["value"] > 0
    # What the worker said before it crashed is kept.
    assert [result["x"] for result in results["bad.curve"]] == [1, 2, None]
    assert results["bad.curve"][0]["value"] == pytest.approx(1e-6, rel=0.5)
    stored = {str(r.benchmark): r.reason for r in read(file).results if r.status == "failed"}
    assert stored == REASONS


def test_the_table_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["all", "--quick", "--quiet"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    for reason in REASONS.values():
        assert f"failed: {reason}" in out


def test_where_nothing_has_a_value_no_file_is_promised(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("micro.commands.all.all_probes", lambda: PROBES[2:3])
    file = tmp_path / "out.json"
    assert cli.run(["all", "--quick", "--quiet", "-o", str(file)]) == 1
    assert "micro: not stored: nothing has a value" in capsys.readouterr().err.splitlines()
    assert not file.exists()
