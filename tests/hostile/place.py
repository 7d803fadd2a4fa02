"""A small world for one micro: its home, state, baselines, session files and temporary files."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sample_baseline import figures
from sample_sessions import everything

from runners.archive import writer
from runners.machine.environment import describe, key

ROOT = Path(__file__).resolve().parents[2]
KEY = key(describe())
#: A runner that answers as `micro run --json` does, at once: what `micro ab` starts.
_QUICK_RUNNER = """#!/bin/sh
case "$*" in *--version*) echo "micro 0"; exit;; esac
echo '{"results": [{"name": "a.x", "params": {}, "value": 1.0e-6}]}'
"""


@dataclass(frozen=True)
class Place:
    """Paths of one place."""

    base: Path

    @property
    def home(self) -> Path:
        """The user's home, with micro's state in it."""
        return self.base / "home"

    @property
    def checkout(self) -> Path:
        """The current directory, with the baselines in it."""
        return self.base / "checkout"

    @property
    def out(self) -> Path:
        """Where the options -o point to."""
        return self.base / "out"

    @property
    def temporary(self) -> Path:
        """``TMPDIR``."""
        return self.base / "temporary"

    @property
    def spare(self) -> Path:
        """``TEMP``, which is used where ``TMPDIR`` cannot be."""
        return self.base / "spare"

    @property
    def sessions(self) -> Path:
        """Where micro stores sessions by itself."""
        return self.base / "home" / "state" / "micro" / "sessions" / KEY

    @property
    def baselines(self) -> Path:
        """The directory of baselines."""
        return self.base / "checkout" / "baselines"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a quiet day."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base / "home"),
            "XDG_STATE_HOME": str(self.base / "home" / "state"),
            "TMPDIR": str(self.base / "temporary"),
            "TEMP": str(self.base / "spare"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT),
        }

    def recorded(self) -> dict[Path, str]:
        """What is stored: the session files of all kinds, each with its content's hash."""
        found = {}
        for folder in (self.sessions, self.baselines / KEY, self.base / "files"):
            for path in sorted(folder.glob("*.json*")) if folder.is_dir() else ():
                if path.is_file() and path.stat().st_size < 1 << 20:
                    found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found


def template(base: Path) -> Place:
    """A place with two stored sessions, a baseline of four and two named files."""
    place = Place(base)
    for name in ("home", "temporary", "spare", "checkout", "files", "out"):
        (base / name).mkdir(parents=True)
    facts = describe()
    here = {name: facts[name] for name in ("os", "arch", "cpu_count")}
    stored = [place.sessions / f"2026010{day}T000000.000000Z.json" for day in (1, 2)]
    stored += [
        place.baselines / KEY / f"2025010{day}T000000.000000Z.json.gz" for day in range(1, 5)
    ]
    stored += [base / "files" / name for name in ("a.json", "b.json")]
    for number, path in enumerate(stored):
        session = everything() if path.parent.name == "files" else figures(number)
        session.environment = {**session.environment, **here}
        path.parent.mkdir(parents=True, exist_ok=True)
        writer.write(session, path)
    runner = base / "files" / "runner"
    runner.write_text(_QUICK_RUNNER, encoding="utf-8")
    runner.chmod(0o755)
    return place


def copied(original: Place, base: Path) -> Place:
    """A copy of a place, which everybody may use."""
    shutil.copytree(original.base, base)
    for folder, _, names in os.walk(base):
        os.chmod(folder, 0o777)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o777 if name == "runner" else 0o666)
    return Place(base)
