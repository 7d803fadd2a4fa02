"""What this machine's earlier sessions taught: the clean level of its CPU model.

Kept in ``$XDG_STATE_HOME/micro`` (``~/.local/state/micro``). A session on a core that is never
clean would else take the dirty level for the clean one.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runners.measure.sentinel import Clean, agree
from runners.model.benchmark import Scalar

_FILE = "clean_levels.json"


def state_directory() -> Path:
    """Where micro keeps what should outlive a session; not necessarily there or writable."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "micro"
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        home = os.devnull  # a user without a home: nothing can be kept, and every attempt fails
    return Path(home) / ".local" / "state" / "micro"


def known_clean(environment: Mapping[str, Scalar]) -> Clean | None:
    """The clean level earlier sessions on this CPU model found, or None."""
    return _read().get(_model(environment))


def remember(environment: Mapping[str, Scalar], clean: Clean | None) -> None:
    """Note the level for later sessions; silently not, where nothing can be written."""
    model = _model(environment)
    level = agree(clean, known_clean(environment))
    if level is None or not model:
        return
    levels = _read() | {model: level}
    directory = state_directory()
    with contextlib.suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=directory)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({model: asdict(level) for model, level in levels.items()}, file, indent=1)
            os.replace(name, directory / _FILE)
        except OSError:
            os.unlink(name)


def _read() -> dict[str, Clean]:
    try:
        entries = json.loads((state_directory() / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    levels = {model: _level(entry) for model, entry in entries.items()}
    return {model: level for model, level in levels.items() if level is not None}


def _level(entry: Any) -> Clean | None:
    try:
        level = Clean(float(entry["ratio"]), float(entry["chain_ns"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    sound = all(math.isfinite(x) and x > 0 for x in (level.ratio, level.chain_ns))
    return level if sound else None


def _model(environment: Mapping[str, Scalar]) -> str:
    # The sentinel's own code may change with the program: its level belongs to both. A CPU without
    # a name has no level: it may be another one the next time.
    if not environment.get("cpu_model"):
        return ""
    return f"{environment['cpu_model']}|{environment.get('arch', '')}|1"
