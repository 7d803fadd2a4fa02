"""Stored sessions to compare with: ``baselines/<key>/<UTC time>.json.gz``, a pyperf file each.

Append-only: nothing is changed, and nothing removed but on request. Only the newest sessions are
read, and of these not the visits: judging needs no more than how many count.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import NormalDist

from runners.analyse.estimate import order_statistic_ranks
from runners.archive.bad_file import BadFile
from runners.archive.reader import read, read_environment, read_profiles
from runners.archive.schema import printable
from runners.archive.user_directory import user_directory
from runners.archive.writer import write
from runners.gate.evidence import Sample, SessionFigure
from runners.gate.pooling import pool
from runners.gate.references import MARGIN
from runners.machine.environment import key
from runners.model.benchmark import Benchmark, Scalar
from runners.model.profile import Profile
from runners.model.session import BEGAN, MEMORY_REFUTED, SLOWED, Result, Session

#: The newest so many sessions are compared with: older ones tell of an older system.
MOST_SESSIONS = 20
#: So many of one boot show how its sessions differ; more would push out those of other boots.
MOST_OF_A_BOOT = 10
#: How far back other boots are looked for.
_MOST_LOOKED_AT = 100
#: Those that came with the package: of other people's machines, compared with on request alone.
SHIPPED = Path(__file__).resolve().parents[2] / "baselines"
#: How the names of sessions end that are no baseline: not measured to the end, or refused.
PARTIAL, REFUSED = ".partial", ".refused"
#: A setting that says why a session that failed the gate was accepted.
ACCEPTED = "accepted_because"
#: What may differ within a key, and should be known where it does.
COVARIATES = (
    *("cpu_model", "os_release", "libc", "virtualization", "container", "distribution"),
    *("page_bytes", "allocator", "micro_worker"),
)
#: What sessions of older versions do not say: there, it does not differ.
_ADDED_LATER = ("page_bytes", "micro_worker")
#: What is meant where a session does not say.
_UNSAID = {"allocator": "the C library's"}

#: The setting that holds the sentinel's time at the best clock.
CLOCK = "clean_chain_ns"
#: Of the best chain time that a session saw, as a share.
_CHAIN_ERROR = 0.002
#: The intervals of more rounds reach as far; a file may state any number of them.
_MOST_ROUNDS = 1000
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}(\.[0-9]{1,9})?Z\.json(\.gz)?")


@dataclass(frozen=True)
class Summary:
    """What judging needs of a session."""

    path: Path
    environment: Mapping[str, Scalar]
    settings: Mapping[str, Scalar]
    sample: Sample
    #: Why a benchmark or a whole curve has no value.
    without: Mapping[Benchmark, str] = field(default_factory=dict)
    #: The sessions that it was made of, where it stands for several.
    pooled: Sequence[Summary] = ()
    #: Of a session that is in memory; see `profiles_of`.
    profiles: Sequence[Profile] = ()

    @property
    def sessions(self) -> Sequence[Summary]:
        """The sessions that it stands for: itself alone, mostly."""
        return self.pooled or (self,)

    def is_same(self, other: Summary) -> bool:
        """Whether both are one session, also under another path, or copied."""
        began = self.settings.get(BEGAN) == other.settings.get(BEGAN)
        return self.path == other.path or (began and self.sample == other.sample)


@dataclass
class Baseline:
    """The newest sessions of one key in one place, the oldest first, and what is wrong there."""

    folder: Path
    sessions: list[Summary] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    files: int = 0
    #: Sessions of other systems that were found there and left out.
    others: int = 0

    def like(
        self, environment: Mapping[str, Scalar], clock_ns: Scalar | None, least: int
    ) -> Sequence[Summary]:
        """The sessions on the same CPU model where there are at least so many; else all.

        Where some ran at this ``clock_ns``, the others are of another machine and left out.
        """
        near = [s for s in self.sessions if _same_clock(s.settings.get(CLOCK), clock_ns)]
        sessions = near or self.sessions
        model = environment.get("cpu_model")
        same = [s for s in sessions if s.environment.get("cpu_model") == model]
        return same if len(same) >= least else sessions


def _same_clock(one: Scalar | None, other: Scalar | None) -> bool:
    """Whether two settings of the sentinel's best time differ by less than machines do."""
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return one == other
    return abs(one - other) <= MARGIN * min(abs(one), abs(other))


def files(folder: Path) -> list[Path]:
    """The session files of a folder, the oldest first."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except OSError:
        return []


def any_files(folder: Path) -> list[Path]:
    """The files of a folder that may be sessions, whatever their names, in the names' order.

    Not those that are being written, nor what `micro baseline record` kept of no whole session.
    """
    try:
        return sorted(path for path in folder.iterdir() if may_be_session(path.name))
    except OSError:
        return []


def may_be_session(name: str) -> bool:
    """Whether a file's name is one that a whole session may have."""
    stem = name.removesuffix(".gz").removesuffix(".json")
    return stem != name and not name.startswith(".") and not stem.endswith((PARTIAL, REFUSED))


def load(
    folder: Path,
    most: int = MOST_SESSIONS,
    found: Sequence[Path] | None = None,
    of_a_boot: int = MOST_OF_A_BOOT,
) -> Baseline:
    """The newest ``most`` sessions of a folder, or the last of those ``found``.

    No more than so many are ``of_a_boot``. A bad file is named, and the rest still read.
    """
    found = files(folder) if found is None else found
    baseline = Baseline(folder, files=len(found))
    boots: Counter[Scalar | None] = Counter()
    for path in reversed(found[-max(most, _MOST_LOOKED_AT) :]):
        if len(baseline.sessions) == most:
            break
        try:
            boot = read_environment(path).get("boot")
            if boot is None or boots[boot] < of_a_boot:
                baseline.sessions.insert(0, summarize(path))
                boots[boot] += 1
        except BadFile as error:
            baseline.bad.append(str(error))
    return baseline


def user_folder() -> Path:
    """Where a user's baselines are kept: in ``$XDG_DATA_HOME/micro`` (``~/.local/share/micro``)."""
    return user_directory("XDG_DATA_HOME", ".local/share") / "baselines"


def place(
    key: str, given: Path | None, configured: Path | None, current: Path = Path("baselines")
) -> Path:
    """The folder of a key: below ``given``, unless that is one, or holds sessions itself.

    Else it is below the first place that has sessions of the key.

    The places are ``configured``, ``current`` where that directory exists, and the user's own.
    Where none has sessions, the first place is where they belong.
    """
    if given is not None:
        return given if given.name == key or files(given) else given / key
    places = [*([configured] if configured else []), *([current] if current.is_dir() else [])]
    places.append(user_folder())
    return next((each / key for each in places if files(each / key)), places[0] / key)


def is_flat(folder: Path) -> bool:
    """Whether sessions, by whatever names, lie in a folder that is not their key's."""
    for path in any_files(folder):
        try:
            if key(read(path, visits=False).environment) != folder.name:
                return True
        except BadFile:
            continue
    return False


def append(path: Path, folder: Path, reason: str | None = None, name: str | None = None) -> Path:
    """Copy a session file into a folder, whole or not at all; the new file's path.

    ``reason`` is stored with it; ``name`` is the new file's, by default that of ``path`` or its
    time. Raises `BadFile` for what does not belong there or is there already, `OSError`.
    """
    session = read(path)
    if SLOWED in session.settings:
        raise BadFile(f"{printable(str(path))}: was slowed on purpose: no baseline")
    if key(session.environment) != folder.name:
        own = key(session.environment)
        raise BadFile(f"{printable(str(path))}: is a session of {own}, not of {folder.name}")
    if reason is not None:
        session.settings = {**session.settings, ACCEPTED: reason}
    by_name = name is None
    name = name or (path.name if _NAME.fullmatch(path.name) else _time_name(session, path))
    target = folder / f"{name.removesuffix('.gz')}.gz"
    if target.exists() or target.with_suffix("").exists():
        raise BadFile(f"{printable(str(path))}: {printable(str(target))} exists already")
    if by_name and (stored := _stored_as(of_session(session, path), folder)):
        raise BadFile(f"{printable(str(path))}: is stored already as {stored}")
    folder.mkdir(parents=True, exist_ok=True)
    if not write(session, target):
        raise BadFile(f"{printable(str(path))}: holds no figure: no baseline")
    return target


def _stored_as(session: Summary, folder: Path) -> str | None:
    """The name under which a folder has this session, if it does."""
    for path in files(folder):
        try:
            if summarize(path).is_same(session):
                return path.name
        except BadFile:
            continue
    return None


def _time_name(session: Session, path: Path) -> str:
    when = session.began or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return when.strftime("%Y%m%dT%H%M%S.%fZ.json")


def prune(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest ``keep`` sessions; those that are gone.

    What is no session neither counts nor goes, however it is called.
    """
    sessions = session_files(folder)
    gone = sessions[: max(0, len(sessions) - keep)]
    for path in gone:
        path.unlink()
    return gone


def session_files(folder: Path) -> list[Path]:
    """Those of a folder's `files` that hold a session, however the others are called."""
    return [path for path in files(folder) if _is_session(path)]


def _is_session(path: Path) -> bool:
    try:
        read(path, visits=False)
    except BadFile:
        return False
    return True


def when(path: Path) -> datetime | None:
    """When a stored session began, by its name; of an accepted file, when that was written."""
    if not _NAME.fullmatch(path.name):
        return None
    try:
        return datetime.strptime(path.name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def differences(sessions: Iterable[Summary], environment: Mapping[str, Scalar]) -> list[str]:
    """What is not as in any session of the baseline: ``os_release: 6.1.0, was 6.0.9``."""
    known = list(sessions)
    found = []
    for name in COVARIATES:
        unsaid = _UNSAID.get(name, "unknown")
        before = {str(s.environment.get(name, unsaid)) for s in known}
        now = str(environment.get(name, unsaid))
        if name in _ADDED_LATER:
            before.discard("unknown")
        if before and now not in before:
            found.append(f"{name}: {now}, was {' or '.join(sorted(before)[:3])}")
    return found


def of_session(session: Session, path: Path = Path("this session")) -> Summary:
    """The summary of a session that is in memory."""
    figures, without = {}, {}
    for result in session.results:
        if result.value_s is None:
            without[result.benchmark] = f"{result.status}: {result.reason}"
        elif (figure := _figure_of(result)) is not None:
            figures[result.benchmark] = figure
        else:
            without[result.benchmark] = "unstable: no time measured"
    boot = session.environment.get("boot")
    known = None if boot is None else str(boot)
    sample = Sample(figures, _references(session.settings), known)
    return Summary(
        path, session.environment, session.settings, sample, without, profiles=session.profiles
    )


def _references(settings: Mapping[str, Scalar]) -> dict[str, SessionFigure]:
    """The sentinel's chain at its best clock, which no system can make faster or slower."""
    chain_ns = settings.get(CLOCK)
    if not isinstance(chain_ns, int | float) or not 1 <= chain_ns < 1e18:
        return {}
    return {"the sentinel's clock": SessionFigure(math.log(chain_ns * 1e-9), _CHAIN_ERROR)}


def _figure_of(result: Result) -> SessionFigure | None:
    """None where it is no time."""
    doubt = result.reason or "unstable" if result.status != "ok" else None
    value_s = result.value_s or 0.0
    low_s, high_s = result.ci95_s or (value_s, value_s)
    if value_s <= 0 or low_s <= 0:
        return None
    rounds = min(max(result.rounds, 2), _MOST_ROUNDS)
    error = (math.log(high_s) - math.log(low_s)) / (2 * _interval_deviations(rounds))
    return SessionFigure(math.log(value_s), error, doubt, result.code, result.counts, rounds - 1)


@cache
def _interval_deviations(rounds: int) -> float:
    """How many standard errors an order-statistic interval reaches from the middle."""
    rank, _ = order_statistic_ranks(rounds)
    tail = sum(math.comb(rounds, k) for k in range(rank + 1)) / 2**rounds
    return NormalDist().inv_cdf(1 - tail)


def pooled(folder: Path, sessions: Sequence[Summary]) -> Summary:
    """One summary of several sessions of a folder, the newest last."""
    if len(sessions) == 1:
        return sessions[0]
    sample = pool([session.sample for session in sessions])
    without = {
        benchmark: reason
        for session in sessions
        for benchmark, reason in session.without.items()
        if benchmark not in sample.figures or reason.startswith("failed")
    }
    newest = sessions[-1]
    settings = dict(newest.settings)
    for session in sessions:
        if MEMORY_REFUTED in session.settings:
            settings[MEMORY_REFUTED] = session.settings[MEMORY_REFUTED]
    return Summary(folder, newest.environment, settings, sample, without, tuple(sessions))


def profiles_of(summary: Summary) -> list[Profile]:
    """The profiles of a session and of those it stands for, from memory or their files.

    Raises `BadFile`.
    """
    found: list[Profile] = []
    for session in summary.sessions:
        found += session.profiles or (
            read_profiles(session.path)[0] if session.path.is_file() else ()
        )
    return found


def summarize(path: Path) -> Summary:
    """The summary of a session file. Raises `BadFile` for whatever is not one."""
    return of_session(read(path, visits=False), path)
