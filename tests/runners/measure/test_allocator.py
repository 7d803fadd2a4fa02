"""Another allocator: it is named only once a process has really called it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runners.measure import allocator
from runners.measure.allocator import BadAllocator, checked
from runners.measure.launch import Launcher, Order
from runners.model.job import Job

COMPILER = shutil.which("cc")
ENVIRONMENT = {"PATH": os.environ["PATH"]}
ALLOCATOR = Path(__file__).with_name("own_allocator.c").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="libraries are preloaded otherwise here"
)


def compiled(directory: Path, source: str, name: str = "libown.so.3") -> Path:
    """A shared library of this source."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    library = directory / name
    command = [COMPILER, "-shared", "-fPIC", "-O1", "-fno-builtin", "-x", "c", "-o", str(library)]
    subprocess.run([*command, "-"], input=source.encode(), check=True)
    return library


def test_an_allocator_is_found_by_any_path_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = compiled(tmp_path, ALLOCATOR)
    assert checked(library, ENVIRONMENT) == library
    monkeypatch.chdir(tmp_path)
    assert checked(Path(library.name), ENVIRONMENT) == library
    link = tmp_path / "link.so"
    link.symlink_to(library)
    assert checked(link, ENVIRONMENT) == link


def test_it_goes_before_what_the_user_preloads(tmp_path: Path) -> None:
    library = compiled(tmp_path, ALLOCATOR)
    other = compiled(tmp_path, "int other;", "libother.so")
    assert checked(library, ENVIRONMENT | {"LD_PRELOAD": str(other)}) == library
    assert allocator.preload(library, str(other)) == {"LD_PRELOAD": f"{library}:{other}"}


def header(library: Path, at: int, data: bytes) -> Path:
    """The library with some bytes of its header changed."""
    content = bytearray(library.read_bytes())
    content[at : at + len(data)] = data
    library.write_bytes(content)
    return library


def bad(kind: str, directory: Path) -> Path:
    path = directory / "lib.so"
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "empty":
            path.touch()
        case "text":
            path.write_text("INPUT(libjemalloc.so.2)" * 9)
        case "no allocator":
            compiled(directory, "int x;", path.name)
        case "other machine":
            header(compiled(directory, ALLOCATOR, path.name), 18, b"\xff\xee")
        case "other word size":
            header(compiled(directory, ALLOCATOR, path.name), 4, b"\x01")
        case "cut short":
            os.truncate(compiled(directory, ALLOCATOR, path.name), 1000)
        case "crashing":
            crash = "__attribute__((constructor)) static void f(void) { __builtin_trap(); }"
            compiled(directory, ALLOCATOR + crash, path.name)
        case "spaced":
            path = compiled(directory, ALLOCATOR, "my lib.so")
    return path


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("missing", "no such file"),
        ("directory", "is no file"),
        ("pipe", "is no file"),
        ("empty", "is no shared library"),
        ("text", "is no shared library"),
        ("no allocator", "defines no malloc"),
        ("other machine", "another architecture"),
        ("other word size", "another architecture"),
        ("cut short", "not preloaded as an allocator|does not run"),
        ("crashing", "does not run"),
        ("spaced", "no path with a space"),
    ],
)
def test_what_cannot_serve_is_refused_in_one_sentence(kind: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadAllocator, match=why) as caught:
        checked(bad(kind, tmp_path), ENVIRONMENT)
    assert "\n" not in str(caught.value)


def test_a_library_that_never_ends_loading_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = "#include <unistd.h>\n__attribute__((constructor)) static void f(void) { pause(); }"
    library = compiled(tmp_path, waits)
    monkeypatch.setattr(allocator, "TIME_LIMIT_S", 0.3)
    with pytest.raises(BadAllocator, match=r"timed out after 0\.3 s"):
        checked(library, ENVIRONMENT)


def test_a_worker_has_it_and_what_the_worker_starts_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    library = compiled(tmp_path, ALLOCATOR)
    launcher = Launcher(tmp_path, allocator=library)
    answer = launcher.visit(Order(Job("fake", "tests.runners.fake_workloads:Tell"), (None,), ()))
    found = json.loads(answer.lines[0]["failed"].removeprefix("error in the probe's code: "))
    assert "LD_PRELOAD" not in found["environ"]
    assert str(library) in found["libraries"]
    assert "LD_PRELOAD" not in os.environ
