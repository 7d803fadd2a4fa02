"""The store of sessions to compare with, and the summaries that judging reads."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_files import profile

from runners.archive import baselines
from runners.archive.bad_file import BadFile
from runners.archive.baselines import Summary, load, of_session, summarize
from runners.archive.reader import read
from runners.archive.writer import write
from runners.machine.environment import key
from runners.model.benchmark import Benchmark, Scalar
from runners.model.session import BEGAN, MEMORY_REFUTED, SLOWED, Result, Session, Visit

ENVIRONMENT = {"os": "linux", "arch": "x86_64", "cpu_count": 2, "cpu_model": "Sample CPU"}
KEY = key(ENVIRONMENT)
many_files = settings(max_examples=80)


def visit(number: int, value_s: float) -> Visit:
    doubt = "neighbour on the core" if number == 4 else None
    return Visit(number, *[value_s * (1 + number / 1000)] * 5, 10, 20, 0, 6000.0, doubt)


def result(name: str, value_s: float, x: int | None = None, reason: str | None = None) -> Result:
    return Result(
        name,
        {"size": 512},
        "n" if x is not None else None,
        x,
        "unstable" if reason else "ok",
        reason,
        value_s,
        (value_s * 0.99, value_s * 1.02),
        value_s * 0.9,
        batch=10,
        visits=[visit(number, value_s) for number in range(10)],
    )


def session(scale: float = 1.0, **changes: Any) -> Session:
    results = [
        *(result("fd.curve", 1e-6 * n * scale, n) for n in (1, 2, 4)),
        result("fd.single", 3e-6 * scale),
        result("fd.odd", 4e-6 * scale, reason="rounds differ by 30%"),
        Result("fd.gone", {"size": 1}, None, None, "skipped", "not on this system"),
    ]
    return Session({**ENVIRONMENT, **changes}, {"rounds": 10, "clean_chain_ns": 6000.0}, results)


def stored(folder: Path, hour: int = 0, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"20260101T{hour:02}0000Z.json"
    assert write(session(1 + hour / 100, **changes), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "baselines" / KEY


def test_the_summary_of_a_file_is_that_of_its_session(folder: Path) -> None:
    path = stored(folder)
    assert summarize(path) == of_session(read(path), path)
    assert summarize(path).sample.references.keys() == {"the sentinel's clock"}


def test_a_summary_holds_logs_errors_curves_and_doubts(folder: Path) -> None:
    figures = {str(b): f for b, f in summarize(stored(folder)).sample.figures.items()}
    point = figures["fd.curve[size=512,n=4]"]
    assert point.log_s == pytest.approx(math.log(4e-6))
    assert point.doubt is None
    # Nine good rounds: ranks 2 and 8 cover 96.1 %, 2.06 standard errors on either side.
    assert point.error == pytest.approx(math.log(1.02 / 0.99) / 2 / 2.063, rel=1e-3)
    assert figures["fd.single[size=512]"].doubt is None
    assert figures["fd.odd[size=512]"].doubt == "rounds differ by 30%"
    gone = Benchmark("fd.gone", (("size", 1),))
    assert summarize(stored(folder)).without == {gone: "skipped: not on this system"}


def test_a_file_with_a_single_benchmark_is_read(folder: Path) -> None:
    folder.mkdir(parents=True)
    path = folder / "20260101T000000Z.json"
    write(Session(ENVIRONMENT, {}, [result("fd.single", 1e-6)]), path)
    assert list(map(str, summarize(path).sample.figures)) == ["fd.single[size=512]"]


def test_compressed_files_are_found(folder: Path) -> None:
    plain = stored(folder)
    packed = plain.with_suffix(".json.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    (folder / "20260101T000000Z.json.bz2").write_bytes(b"")
    assert baselines.files(folder) == [plain, packed]
    assert len(load(folder).sessions) == 2


def test_the_newest_sessions_are_read_in_order_of_time(folder: Path) -> None:
    for hour in (3, 0, 2, 1):
        stored(folder, hour)
    (folder / "notes.json").write_text("{}")
    loaded = load(folder, most=3)
    assert [s.path.name[9:11] for s in loaded.sessions] == ["01", "02", "03"]
    assert (loaded.files, loaded.bad) == (4, [])


def test_no_more_than_the_newest_twenty_are_compared_with(folder: Path) -> None:
    paths = [stored(folder, hour) for hour in range(22)]
    assert [s.path for s in load(folder).sessions] == paths[2:]


def test_many_sessions_of_one_boot_do_not_push_out_other_boots(folder: Path) -> None:
    boots = ["first"] * 2 + ["second"] * 3 + ["today"] * 17
    paths = [stored(folder, hour, boot=boot) for hour, boot in enumerate(boots)]
    loaded = load(folder, most=13)
    assert [session.path for session in loaded.sessions] == paths[2:5] + paths[-10:]
    assert loaded.files == 22
    assert len(load(folder, most=22, of_a_boot=22).sessions) == 22


def test_a_bad_file_is_named_and_the_rest_is_read(folder: Path) -> None:
    stored(folder, 0)
    (folder / "20260101T010000Z.json").write_text("nonsense")
    stored(folder, 2)
    (folder / "20260101T030000Z.json").mkdir()
    os.mkfifo(folder / "20260101T040000Z.json")
    loaded = load(folder)
    assert len(loaded.sessions) == 2
    assert len(loaded.bad) == 3
    for hour, error in zip(("04", "03", "01"), loaded.bad, strict=True):
        assert f"20260101T{hour}0000Z.json" in error
        assert "\n" not in error


def test_a_folder_that_is_not_there_is_an_empty_baseline(tmp_path: Path) -> None:
    loaded = load(tmp_path / "nowhere")
    assert (loaded.sessions, loaded.bad, loaded.files) == ([], [], 0)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.sampled_from(["ok", "unstable", "[]", "{}", "\x1b[31m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document[:2])
    for step, inner in items:
        found += places(inner, (*path, step))
    return found


@many_files
@given(data=st.data())
def test_any_changed_value_gives_a_sound_summary_or_one_sentence(
    data: st.DataObject, tmp_path: Path
) -> None:
    path = tmp_path / "20260101T000000Z.json"
    write(session(), path)
    document = json.loads(path.read_bytes())
    *steps, last = data.draw(st.sampled_from(places(document)))
    target = document
    for step in steps:
        target = target[step]
    target[last] = data.draw(VALUES)
    path.write_text(json.dumps(document))
    summary = None
    with contextlib.suppress(BadFile):
        summary = summarize(path)
    for name, figure in summary.sample.figures.items() if summary else ():
        assert str(name).isprintable()
        assert math.isfinite(figure.log_s)
        assert 0 <= figure.error < math.inf
    for text in map(str, summary.environment.values()) if summary else ():
        assert text.isprintable()


# Looking for it, adding to it, taking away


def test_the_first_place_that_has_sessions_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("given", "configured", "current", "shipped")
    given_, configured, current, shipped = (tmp_path / name for name in names)
    monkeypatch.setattr(baselines, "SHIPPED", shipped)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    own = tmp_path / "data" / "micro" / "baselines"

    def found(given: Path | None = None, configured: Path | None = configured) -> Path:
        return baselines.place(KEY, given, configured, current).parent

    assert found() == configured  # where nothing is, a first session goes
    stored(shipped / KEY)
    assert found() == configured  # of another's machine
    assert found(configured=None) == own
    current.mkdir()
    assert found(configured=None) == current
    stored(own / KEY)
    assert found() == own
    stored(current / KEY)
    assert found() == current
    stored(configured / KEY)
    assert found() == configured
    assert found(given_) == given_
    stored(given_)  # without a folder for the key: it holds sessions itself
    assert baselines.place(KEY, given_, configured, current) == given_


def test_the_users_folder_without_a_data_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/somebody")
    expected = Path("/home/somebody/.local/share/micro/baselines")
    assert baselines.user_folder() == expected


def test_sessions_are_appended_under_their_time(folder: Path, tmp_path: Path) -> None:
    named = stored(tmp_path / "sessions", 7)
    assert baselines.append(named, folder) == folder / f"{named.name}.gz"
    other = tmp_path / "mine.json"
    write(session(), other)
    os.utime(other, (0, datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()))
    assert baselines.append(other, folder).name == "20260203T040506.000000Z.json.gz"
    assert len(load(folder).sessions) == 2


def test_a_copied_file_is_appended_under_the_time_when_its_session_began(
    folder: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied.json"
    dated = session()
    dated.settings = {BEGAN: "2026-02-03T04:05:06Z"}
    write(dated, copied)
    assert baselines.append(copied, folder).name == "20260203T040506.000000Z.json.gz"


@pytest.mark.parametrize("said", ["yesterday", "9" * 99, "0001-01-01T00:00:00+23:59", 7, ""])
def test_a_session_that_does_not_say_when_it_began(said: Scalar) -> None:
    assert Session({}, {BEGAN: said}).began is None


def test_sessions_that_began_at_different_times_are_two(tmp_path: Path) -> None:
    first, second, copied = (session() for _ in range(3))
    for one, began in ((first, "05"), (second, "06"), (copied, "05")):
        one.settings = {BEGAN: f"2026-02-03T04:{began}:00Z"}
    one, other, same = (
        baselines.of_session(each, tmp_path / str(i))
        for i, each in enumerate((first, second, copied))
    )
    assert one.is_same(same)
    assert not one.is_same(other)


def test_nothing_is_ever_replaced(folder: Path, tmp_path: Path) -> None:
    named = stored(tmp_path / "sessions", 7)
    added = baselines.append(named, folder)
    before = added.read_bytes()
    with pytest.raises(BadFile, match="exists already"):
        baselines.append(named, folder)
    assert added.read_bytes() == before
    packed = added.read_bytes()
    added.unlink()
    added.with_suffix("").write_bytes(gzip.decompress(packed))
    with pytest.raises(BadFile, match="exists already"):
        baselines.append(named, folder)


def test_a_session_of_other_machines_does_not_belong(folder: Path, tmp_path: Path) -> None:
    other = stored(tmp_path / "sessions", cpu_count=4)
    with pytest.raises(BadFile, match="linux-x86_64-4cpu, not of linux-x86_64-2cpu"):
        baselines.append(other, folder)
    assert not folder.exists()


def test_sessions_slowed_on_purpose_do_not_belong(folder: Path, tmp_path: Path) -> None:
    slowed = session()
    slowed.settings = {SLOWED: 0.05}
    path = tmp_path / "slowed.json"
    write(slowed, path)
    with pytest.raises(BadFile, match="slowed on purpose"):
        baselines.append(path, folder)


def test_the_reason_for_accepting_is_kept(folder: Path, tmp_path: Path) -> None:
    added = baselines.append(stored(tmp_path / "sessions"), folder, "a safer system call")
    assert read(added).settings[baselines.ACCEPTED] == "a safer system call"


def test_pruning_removes_the_oldest(folder: Path) -> None:
    kept = [stored(folder, hour) for hour in range(5)][-2:]
    (folder / "README").write_text("not a session")
    gone = baselines.prune(folder, 2)
    assert len(gone) == 3
    assert baselines.files(folder) == kept
    assert (folder / "README").exists()
    for keep in (2, 3, 9):
        assert baselines.prune(folder, keep) == []


@pytest.mark.parametrize("chain_ns", [5e-324, 1e-300, 0, -1, 1e308])
def test_a_clock_that_is_none_is_no_reference(chain_ns: float) -> None:
    shown = session()
    shown.settings = {"clean_chain_ns": chain_ns}
    assert of_session(shown).sample.references == {}


def test_any_number_of_rounds_may_be_stated() -> None:
    shown = session()
    for result_ in shown.results:
        result_.counted = 1 << 62
    assert all(math.isfinite(f.error) for f in of_session(shown).sample.figures.values())


def test_only_what_reads_as_a_session_counts_and_goes(folder: Path) -> None:
    sessions = [stored(folder, hour) for hour in range(6)]
    newer = "20991231T00000{}.000000Z.json"
    (folder / newer.format(1)).write_text("{}")
    (folder / newer.format(2)).mkdir()
    (folder / newer.format(3)).symlink_to("/dev/zero")
    (folder / newer.format(4)).symlink_to(folder / "nowhere")
    os.mkfifo(folder / newer.format(5))
    older = folder / "19990101T000000.000000Z.json"
    older.write_bytes(b"\0" * 100)
    assert baselines.prune(folder, 3) == sessions[:3]
    assert [path for path in sessions if path.exists()] == sessions[3:]
    assert len(baselines.files(folder)) == 3 + 6


def test_what_differs_from_the_baseline_is_told(folder: Path) -> None:
    sessions = [
        summarize(stored(folder, 0, os_release="6.1")),
        summarize(stored(folder, 1, os_release="6.2")),
    ]
    now = {**ENVIRONMENT, "os_release": "6.3", "libc": "musl 1.2"}
    assert baselines.differences(sessions, now) == [
        "os_release: 6.3, was 6.1 or 6.2",
        "libc: musl 1.2, was unknown",
    ]
    assert baselines.differences(sessions, {**ENVIRONMENT, "os_release": "6.1"}) == []
    other = {**ENVIRONMENT, "os_release": "6.1", "allocator": "libjemalloc.so.2"}
    assert baselines.differences(sessions, other) == [
        "allocator: libjemalloc.so.2, was the C library's"
    ]
    assert baselines.differences([], now) == []
    later = {**ENVIRONMENT, "os_release": "6.1", "micro_worker": "a1"}
    assert baselines.differences(sessions, later) == []
    sessions.append(summarize(stored(folder, 2, micro_worker="b2")))
    assert baselines.differences(sessions, later) == ["micro_worker: a1, was b2"]


def test_sessions_of_the_same_processor_are_preferred(folder: Path) -> None:
    for hour in range(6):
        stored(folder, hour, cpu_model="Sample CPU" if hour % 2 else "Other CPU")
    loaded = load(folder)

    def models(least: int) -> set[Any]:
        return {s.environment["cpu_model"] for s in loaded.like(ENVIRONMENT, None, least)}

    assert models(3) == {"Sample CPU"}
    assert models(4) == {"Sample CPU", "Other CPU"}


def test_sessions_at_another_clock_are_of_another_machine(folder: Path) -> None:
    folder.mkdir(parents=True)
    for hour, chain_ns in enumerate((6000.0, 6100.0, 7200.0)):
        shown = session()
        shown.settings = {**shown.settings, "clean_chain_ns": chain_ns}
        write(shown, folder / f"20260101T{hour:02}0000Z.json")

    def clocks(clock_ns: float | None) -> list[Any]:
        chosen = load(folder).like(ENVIRONMENT, clock_ns, 1)
        return [s.settings["clean_chain_ns"] for s in chosen]

    assert clocks(6050.0) == [6000.0, 6100.0]
    assert clocks(7300.0) == [7200.0]
    assert len(clocks(9000.0)) == len(clocks(None)) == 3


# Several sessions as one


def summary(hour: int, **changes: Any) -> Summary:
    shown = session(1 + hour / 100, **changes.pop("environment", {}))
    shown.settings = {**shown.settings, **changes.pop("settings", {})}
    for name, value in changes.items():
        setattr(shown, name, value)
    return of_session(shown, Path(f"{hour}.json"))


def test_sessions_as_one_are_the_newest_in_what_cannot_be_pooled(folder: Path) -> None:
    sessions = [
        summary(0, environment={"os_release": "6.1"}),
        summary(1, environment={"os_release": "6.2"}, settings={"rounds": 20}),
    ]
    both = baselines.pooled(folder, sessions)
    assert (both.path, both.environment["os_release"], both.settings["rounds"]) == (
        *(folder, "6.2"),
        20,
    )
    assert list(both.sessions) == sessions
    single = Benchmark("fd.single", (("size", 512),))
    assert both.sample.figures[single].log_s == pytest.approx(math.log(3e-6) + math.log(1.01) / 2)
    assert baselines.pooled(folder, sessions[:1]) is sessions[0]


def test_a_session_that_contradicts_earlier_ones_is_not_saved_by_the_others(folder: Path) -> None:
    why = "the remembered best clock is not borne out"
    sessions = [summary(0, settings={MEMORY_REFUTED: why}), summary(1)]
    assert baselines.pooled(folder, sessions).settings[MEMORY_REFUTED] == why


def test_what_any_of_the_sessions_has_is_not_without_a_value_but_a_failure_stays(
    folder: Path,
) -> None:
    one = summary(0)
    for status, kept in (("skipped", []), ("failed", ["fd.single[size=512]"])):
        result = Result("fd.single", {"size": 512}, None, None, status, "EIO")  # type: ignore[arg-type]
        other = summary(1, results=[result])
        assert list(map(str, other.without)) == ["fd.single[size=512]"]
        without = baselines.pooled(folder, [one, other]).without
        assert list(map(str, without)) == ["fd.gone[size=1]", *kept]


def test_profiles_of_several_sessions_are_those_in_memory_and_in_files(tmp_path: Path) -> None:
    first, second = (Benchmark("fd.single", (("size", size),)) for size in (1, 2))
    kept = session()
    kept.profiles = [profile(first)]
    write(kept, tmp_path / "0.json")
    in_file = summarize(tmp_path / "0.json")
    assert not in_file.profiles
    in_memory, gone = summary(1, profiles=[profile(second)]), summary(2)
    both = baselines.pooled(tmp_path, [in_file, in_memory, gone])
    assert [found.benchmark for found in baselines.profiles_of(both)] == [first, second]
    assert baselines.profiles_of(gone) == []


# Sessions that lie in a directory itself


def test_one_session_of_another_key_makes_a_directory_flat(folder: Path) -> None:
    assert not baselines.is_flat(folder)
    stored(folder, 1)
    (folder / "20260101T000000Z.json").write_text("nonsense")
    assert not baselines.is_flat(folder)
    write(session(cpu_count=4), folder / "zzz.json")
    assert baselines.is_flat(folder)


def test_the_error_of_a_figure_is_less_the_more_rounds_its_interval_covers() -> None:
    """An interval reaches further, in standard errors, than the extremes of few rounds do."""

    def error(rounds: int) -> float:
        shown = session()
        for each in shown.results:
            each.counted = rounds
        return of_session(shown).sample.figures[Benchmark("fd.single", (("size", 512),))].error

    interval = math.log(1.02 / 0.99)
    # The extremes of two rounds hold the median in half of all cases: 0.674 standard errors.
    assert error(2) == error(1) == pytest.approx(interval / 2 / 0.674, rel=1e-3)
    assert error(100) == pytest.approx(interval / 2 / 1.96, rel=0.1)
    assert error(1000) == pytest.approx(interval / 2 / 1.96, rel=0.02)
    assert error(1000) != error(100)


def test_ages_are_read_from_names() -> None:
    assert baselines.when(Path("20260102T030405Z.json")) == datetime(
        2026, 1, 2, 3, 4, 5, tzinfo=UTC
    )
    assert baselines.when(Path("20261399T030405Z.json")) is None
    assert baselines.when(Path("notes.json")) is None


def test_a_session_is_accepted_once(folder: Path, tmp_path: Path) -> None:
    """Also under another name, or with another time."""
    file = stored(folder)
    copy = tmp_path / "copy.json.gz"
    write(read(file), copy)
    with pytest.raises(BadFile, match=f"is stored already as {file.name}"):
        baselines.append(copy, folder)


def test_what_is_being_written_and_what_was_kept_of_no_whole_session_is_no_session(
    folder: Path,
) -> None:
    whole = stored(folder)
    for name in (".0a1b-x.json", "20260101T000000Z.partial.json", "a.refused.json.gz", "x.tmp"):
        (folder / name).write_bytes(whole.read_bytes())
    assert baselines.any_files(folder) == [whole]


def test_a_figure_without_a_time_is_none() -> None:
    shown = session()
    shown.results[3].ci95_s = (0.0, 3e-6)
    summary_ = of_session(shown)
    assert shown.results[3].benchmark not in summary_.sample.figures
    assert summary_.without[shown.results[3].benchmark] == "unstable: no time measured"
