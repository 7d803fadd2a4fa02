"""What this machine's earlier sessions taught: the clean level of its CPU.

Kept in ``$XDG_STATE_HOME/micro`` (``~/.local/state/micro``). A session on a core that is never
clean would otherwise take the dirty level for the clean one. The file is untrusted: what cannot be
a level is ignored and replaced, and what a session contradicts heals (`runners.measure.clean_level`
says what counts as a contradiction).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runners.archive.user_directory import user_directory
from runners.archive.whole_file import replacing
from runners.machine.files import content
from runners.measure.clean_level import Agreed
from runners.measure.sentinel import Clean
from runners.model.benchmark import Scalar

_FILE = "clean_levels.json"
_MOST_BYTES = 1 << 20
#: The sentinel's own code, and what is kept of it, may change with the program.
_VERSION = "2"
#: What any CPU could show: 6,000 multiply-adds take no less than 1.2 us at 10 GHz, nor a second in
#: an emulator; 128,000 additions take neither a tenth of that nor a hundredfold.
_CHAINS_NS = (1_200.0, 1e9)
_RATIOS = (0.1, 100.0)
#: A remembered ratio that so many steady sessions in a row did not meet is replaced by theirs.
MOST_UNSEEN = 5
#: The share of the difference by which a remembered clock follows a slower session. A clock that is
#: a little too fast to be true would else stay for ever.
_FOLLOWS = 0.25


@dataclass(frozen=True)
class _Entry:
    ratio: float
    chain_ns: float
    #: Steady sessions in a row that did not meet this ratio.
    unseen: int = 0

    @property
    def level(self) -> Clean:
        return Clean(self.ratio, self.chain_ns)


def state_directory() -> Path:
    """Where micro keeps what should outlive a session; not necessarily there or writable."""
    return user_directory("XDG_STATE_HOME", ".local/state")


def known_clean(environment: Mapping[str, Scalar]) -> Clean | None:
    """The clean level that earlier sessions on such a CPU found, or None."""
    entry = _read().get(_processor(environment))
    return entry.level if entry else None


def remember(environment: Mapping[str, Scalar], agreed: Agreed) -> None:
    """Note what a session learned for later ones; silently not, where nothing can be written."""
    processor, entries = _processor(environment), _read()
    before = entries.pop(processor, None)
    if not processor or agreed.clock_ns is None:
        return
    if (before and before.level) != agreed.known:
        return  # another session has learned meanwhile
    learned = _learned(before, agreed)
    if learned is not None:
        entries[processor] = learned
    if learned != before:
        _write(entries)


def _learned(before: _Entry | None, agreed: Agreed) -> _Entry | None:
    """What to keep: the lowest ratio that is not contradicted, and the best clock of late."""
    seen, own_ns = agreed.seen, agreed.clock_ns
    if before is None or own_ns is None:
        return _Entry(seen.ratio, seen.chain_ns) if seen else None
    ratio, unseen = before.ratio, before.unseen
    if agreed.ratio == "refuted":
        if seen is None:
            return None
        ratio, unseen = seen.ratio, 0
    elif seen is not None and agreed.ratio == "agrees":
        ratio, unseen = min(seen.ratio, ratio), 0
    elif seen is not None and agreed.steady:
        unseen += 1
        if unseen == MOST_UNSEEN:
            ratio, unseen = seen.ratio, 0
    chain_ns = own_ns
    if own_ns > before.chain_ns and not agreed.clock_refuted:
        chain_ns = before.chain_ns + _FOLLOWS * (own_ns - before.chain_ns)
    return _Entry(ratio, chain_ns, unseen)


def _write(entries: Mapping[str, _Entry]) -> None:
    directory = state_directory()
    with contextlib.suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True)
        with replacing(directory / _FILE) as new:
            kept = {key: asdict(entry) for key, entry in entries.items()}
            new.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def _read() -> dict[str, _Entry]:
    try:
        text = content(state_directory() / _FILE, _MOST_BYTES).decode("utf-8")
        found = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    if type(found) is not dict:
        return {}
    entries = {key: _entry(value) for key, value in found.items() if key.endswith(f"|{_VERSION}")}
    return {key: entry for key, entry in entries.items() if entry is not None}


def _entry(value: Any) -> _Entry | None:
    if type(value) is not dict:
        return None
    ratio, chain_ns = (
        _within(value.get("ratio"), _RATIOS),
        _within(value.get("chain_ns"), _CHAINS_NS),
    )
    unseen = value.get("unseen")
    if type(unseen) is not int or not 0 <= unseen < MOST_UNSEEN:
        return None
    return _Entry(ratio, chain_ns, unseen) if ratio and chain_ns else None


def _within(value: Any, bounds: tuple[float, float]) -> float | None:
    """The value where it is a number between the bounds; True and "650" are no numbers."""
    if type(value) not in (int, float) or not bounds[0] <= value <= bounds[1]:
        return None
    return float(value)


def _processor(environment: Mapping[str, Scalar]) -> str:
    """What a level belongs to; empty for a CPU without a name, which may be another next time."""
    if not environment.get("cpu_model"):
        return ""
    names = ("cpu_model", "arch", "cpu_identity")
    parts = [str(environment.get(name, "")).replace("|", "/") for name in names]
    return "|".join([*parts, _VERSION])
