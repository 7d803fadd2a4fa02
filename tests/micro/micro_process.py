"""`python -m micro` in a process of its own, and what its document must hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEATHER = ROOT / "tests" / "hostile" / "weather.py"
REFUSED = 77
#: Measures one cheap probe.
BRIEF = ("all", "--only", "fd.open_close", "--quick")
#: It ends what hangs: a session within its budget is far from it, also beside other load.
DEADLINE_S = 240
#: How long what was ended may take to go.
SETTLE_S = 20
#: `python -m micro`, but a quick session is a single round, good or not.
ONE_ROUND = """
import sys
import micro.app.measuring
from micro.__main__ import program
micro.app.measuring.QUICK = micro.app.measuring.Settings(rounds=1, most_visits=1, budget_s=60.0)
sys.exit(program())
"""


@dataclass
class Micro:
    """Runs `python -m micro` as a user would, with a home and a temporary directory of its own."""

    base: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.base / "home"
        self.temporary = self.base / "temporary"
        for directory in (self.home, self.temporary):
            directory.mkdir(mode=0o777)
            directory.chmod(0o777)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        }

    def command(self, *arguments: object, weather: Sequence[str] = ()) -> list[str]:
        """The command line, in this weather (see weather.py); of one round if --quick is all."""
        one_round = "--quick" in arguments and "--budget" not in arguments
        program = ["-c", ONE_ROUND] if one_round else ["-m", "micro"]
        command = [sys.executable, *program, *map(str, arguments)]
        if weather:
            command = [sys.executable, str(WEATHER), *weather, "--", *command]
        return command

    def start(
        self,
        *arguments: object,
        weather: Sequence[str] = (),
        env: Mapping[str, str | None] = {},
        cwd: Path | str = ROOT,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start it; stdout and stderr are pipes unless told otherwise."""
        changed = {**self.env, "PYTHONPATH": str(ROOT), **env}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            self.command(*arguments, weather=weather),
            env={name: value for name, value in changed.items() if value is not None},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            **{**pipes, **options},
        )

    def __call__(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(timeout=DEADLINE_S)
            except BaseException:
                process.kill()
                raise
        out, err = out or "", err or ""  # None where they were redirected
        if process.returncode == REFUSED and options.get("weather"):
            pytest.skip(f"not permitted here: {err.strip()}")
        assert "Traceback" not in err
        assert "Exception ignored" not in err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def uninstalled(
        self, *arguments: object, cwd: Path, path: Sequence[Path] = (), safe: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run it where micro is not installed and all it has is ``cwd``, ``path`` and its needs."""
        paths = [*map(str, path), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        return subprocess.run(
            [sys.executable, "-S", *["-P"] * safe, "-m", "micro", *map(str, arguments)],
            env={**self.env, "PYTHONPATH": os.pathsep.join(paths)},
            cwd=cwd,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=DEADLINE_S,
            check=False,
        )

    def processes(self) -> list[str]:
        """What still runs of what was started here: command lines."""
        mine = os.fsencode(self.temporary)
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mine in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
            except OSError:
                continue
        return found

    def left(self) -> list[str]:
        """What of it still runs after a moment: what was killed takes its time on a busy machine.

        Nothing that a test starts ends by itself within that moment.
        """
        deadline = time.monotonic() + SETTLE_S
        while (found := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def scratch(self) -> list[Path]:
        """Scratch directories that are left."""
        return list(self.temporary.glob("micro-scratch-*"))

    def wait_until_gone(self) -> None:
        """Wait for the end of every process started here."""
        deadline = time.monotonic() + DEADLINE_S
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.02)


def sound(text: str, *names: str) -> dict[str, list[dict[str, Any]]]:
    """The results of a JSON document by probe, each of which has a number or a reason for none."""
    results: dict[str, list[dict[str, Any]]] = {}
    for result in json.loads(text)["results"]:
        results.setdefault(result["name"], []).append(result)
        if result["value"] is None:
            assert result["status"] in ("skipped", "failed"), result
            assert result["reason"], result
        else:
            assert result["status"] in ("ok", "unstable"), result
            low, high = result["ci95"]
            assert 0 < low <= result["value"] <= high, result
            assert result["min"] > 0, result
    assert set(names) <= set(results)
    return results


def has_number(results: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any point of a probe was measured."""
    return any(result["value"] is not None for result in results)


Inside = Callable[..., subprocess.CompletedProcess[str]]


def usage_error(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of an exit with code 2 before anything was measured."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert "round 1" not in done.stderr
    return last_sentence(done)


def last_sentence(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    errors = [line for line in lines if ": error: " in line]
    assert lines[-1:] == errors
    assert "\x1b" not in done.stderr
    assert all(line.startswith(("usage: ", " ")) for line in lines[:-1])
    return errors[0].partition(": error: ")[2]
