"""What a worker process reads, writes and imports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micro.probes.catalogue import all_probes
from runners.machine.code import WORKER
from runners.measure import lean, noise

ROOT = Path(lean.__file__).parents[2]


def test_a_line_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    written = b""

    def short_write(fd: int, data: bytes) -> int:
        nonlocal written
        assert fd == 1
        written += data[:3]
        return len(data[:3])

    monkeypatch.setattr(lean.os, "write", short_write)
    lean.emit(level=7, slices=[1, 2, 3])
    monkeypatch.undo()
    assert written == b'{"level":7,"slices":[1,2,3]}\n'


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_line_is_json_whatever_it_holds(value: object) -> None:
    assert json.loads(lean.as_json(value).encode()) == value


PROC = {
    "/proc/self/schedstat": ("100 7 3\n", "900 57 9\n"),
    "/proc/stat": (
        "cpu  1 2 3 4 5 6 7 80 9\ncpu1 1 1 1 1 1 1 1 40 1\ncpu11 1 1 1 1 1 1 1 7 1\nintr 5\n",
        "cpu  9 9 9 9 9 9 9 83 9\ncpu1 1 1 1 1 1 1 1 41 1\ncpu11 1 1 1 1 1 1 1 9 1\nintr 9\n",
    ),
    "/cgroup/cpu.stat": (
        "usage_usec 5\nnr_throttled 1\nthrottled_usec 40\n",
        "usage_usec 9\nnr_throttled 2\nthrottled_usec 90\n",
    ),
    "/cgroup/ours/cpu.stat": ("throttled_time 5000000\n", "throttled_time 5007000\n"),
}
CPU_STATS = ["/cgroup/cpu.stat", "/cgroup/ours/cpu.stat"]


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], None]:
    """Plants what the workload tells before (0) or after (1)."""
    place = {path: tmp_path / path.replace("/", "_") for path in PROC}
    opened = noise.open_to_read
    monkeypatch.setattr(noise, "open_to_read", lambda path: opened(str(place[path])))

    def plant(which: int) -> None:
        for path, texts in PROC.items():
            place[path].write_text(texts[which])

    return plant


def test_disturbance_is_what_was_counted_since(proc: Callable[[int], None]) -> None:
    proc(0)
    counter = noise.Noise(CPU_STATS)
    proc(1)
    counts = counter.since()
    assert isinstance(counts.pop("wall_ns"), int)
    assert counts == {"wait_ns": 50, "steal_ticks": 3, "throttled_us": 57}
    again = counter.since()
    assert {again[name] for name in counts} == {0}


@pytest.mark.parametrize(
    ("cpus", "ticks"), [([1], 1), ([11], 2), ([1, 11], 2), ([], 3), ([2], None)]
)
def test_what_is_stolen_from_other_cpus_does_not_count(
    proc: Callable[[int], None], cpus: list[int], ticks: int | None
) -> None:
    proc(0)
    counter = noise.Noise(CPU_STATS)
    proc(1)
    assert counter.since(cpus).get("steal_ticks") == ticks


@pytest.mark.parametrize(("cpu", "most"), [(1, 1024), (6, 1024), (255, 1 << 15)])
def test_no_more_is_read_than_the_cpus_take(
    proc: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, cpu: int, most: int
) -> None:
    # What a worker allocates moves what the probe beside it measures.
    asked = []

    def pread(fd: int, count: int, offset: int) -> bytes:
        asked.append(count)
        return b""

    proc(0)
    monkeypatch.setattr(noise.os, "pread", pread)
    noise.Noise(CPU_STATS, [0, cpu]).since([cpu])
    assert max(asked) <= most + 2 * noise.CPU_LINE_BYTES
    assert max(asked) >= (cpu + 2) * noise.CPU_LINE_BYTES


def test_a_system_that_tells_nothing(proc: Callable[[int], None]) -> None:
    assert set(noise.Noise(CPU_STATS).since()) == {"wall_ns"}


def test_files_of_another_shape_tell_nothing(proc: Callable[[int], None], tmp_path: Path) -> None:
    proc(0)
    for path in tmp_path.iterdir():
        path.write_text("cpu\nwhat is this\n")
    assert set(noise.Noise(CPU_STATS).since()) == {"wall_ns"}


# Imports


def run_python(code: str) -> str:
    """What a bare interpreter says, as lean as the worker's."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_the_hash_of_the_worker_covers_all_that_it_imports() -> None:
    code = """
from runners.measure import start, lean
lean.import_module("runners.measure.worker")
ours = [n for n in sys.modules if n.startswith(("runners.", "micro."))]
print(*sorted(n for n in ours if not sys.modules[n].__file__.endswith("__init__.py")))
"""
    assert run_python(code).split() == sorted(WORKER)


def test_a_worker_of_a_team_stays_small() -> None:
    code = """
from runners.measure import start, lean
lean.import_module("runners.measure.worker")
lean.import_module("cyext.core.team")
lean.import_module("cyext.core.placement")
print(*sorted({"contextlib", "functools", "inspect", "json", "re", "typing"} & set(sys.modules)))
"""
    assert run_python(code) == ""


def test_the_stand_in_for_inspect_does_not_stay() -> None:
    code = """
from runners.measure import lean
lean.import_module("cyext.core.workload")
assert "inspect" not in sys.modules
import inspect
print(inspect.signature(lambda a, b=1: 0))
"""
    assert run_python(code) == "(a, b=1)"


def test_the_stand_in_for_collections_does_not_stay() -> None:
    code = """
from runners.measure import lean
lean.import_module("cyext.core.workload")
assert not {"collections", "collections.abc"} & set(sys.modules)
import collections.abc
print(collections.OrderedDict(a=1)["a"], isinstance((), collections.abc.Sequence))
"""
    assert run_python(code) == "1 True"


def test_the_stand_in_for_collections_gives_way_to_the_whole() -> None:
    code = """
from runners.measure import lean
lean.import_module("cyext.core.tracer")  # imports `signal`, which needs a named tuple
import collections.abc
print(collections.namedtuple("Pair", "a b")(1, 2), collections.abc.Sequence.__name__)
"""
    assert run_python(code) == "Pair(a=1, b=2) Sequence"


def test_the_stand_in_does_not_stay_after_a_failure_either() -> None:
    code = """
from runners.measure import lean
try:
    lean.import_module("cyext.no_such_workload")
except ImportError:
    print({"inspect", "collections"} & set(sys.modules))
"""
    assert run_python(code) == "set()"


def test_a_real_inspect_is_left_alone() -> None:
    code = """
import inspect
from runners.measure import lean
lean.import_module("cyext.core.workload")
print(sys.modules["inspect"] is inspect)
"""
    assert run_python(code) == "True"


def test_what_takes_long_to_import_is_not_imported() -> None:
    slow = {"collections", "contextlib", "enum", "functools", "inspect", "json", "threading"}
    # Control groups of its own take longer to make than these imports.
    modules = {probe.workload.partition(":")[0] for probe in all_probes()}
    workloads = sorted(name for name in modules if not name.startswith("cyext.container."))
    code = f"""
from runners.measure import lean
for name in {workloads}:
    lean.import_module(name)
print({slow} & set(sys.modules))
"""
    assert run_python(code) == "set()"
