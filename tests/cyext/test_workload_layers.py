"""Rules that the sources keep: one way down, no clock and no allocation between two clock reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from discovered import PROBES, each, workload_class

from cyext.core.workload import Workload
from micro.probes.declaration import Probe

CYEXT = Path(__file__).resolve().parents[2] / "cyext"
SOURCES = sorted(path for kind in ("pyx", "pxd", "py") for path in CYEXT.glob(f"*/*.{kind}"))
HEADERS = sorted(CYEXT.glob("os/*.h"))
LOOP = re.compile(r"^( +)cdef (?:inline )?\w+ (timed_)?loop\(.*\) noexcept nogil:$")
CLOCK = r"micro_now_ns|clock_gettime|clock_nanosleep|gettimeofday|rdtsc"
PYTHON = r"with gil|raise|print|yield|lambda|import"
ALLOCATION = r"malloc|calloc|realloc|new|strdup|PyMem_\w+"

by_name = pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))


def code(path: Path) -> str:
    """A source without comments and docstrings."""
    text = re.sub(r'"""(?:.|\n)*?"""', '""', path.read_text())
    return re.sub(r"#.*", "", text)


def loops(text: str) -> Iterator[tuple[bool, str]]:
    """The bodies of all timed methods, and whether they keep the time themselves."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if head := LOOP.match(line):
            body = []
            for inner in lines[at + 1 :]:
                if inner.strip() and not inner.startswith(head[1] + " "):
                    break
                body.append(inner)
            yield bool(head[2]), "\n".join(body)


@by_name
def test_workloads_know_nothing_of_what_is_above(path: Path) -> None:
    assert not re.search(r"^\s*(?:c?import|from)\s+(?:micro|runners)\b", code(path), re.M)


@by_name
def test_a_loop_reads_no_clock_and_allocates_nothing(path: Path) -> None:
    allowed = path.parent.name == "malloc"
    for keeps_time, body in loops(code(path)):
        assert body.strip()
        assert keeps_time or not re.search(rf"\b(?:{CLOCK})\b", body)
        assert not re.search(rf"\b(?:{PYTHON})\b", body)
        assert allowed or not re.search(rf"\b(?:{ALLOCATION})\s*\(", body)


@by_name
def test_a_loop_is_found_wherever_one_is_written(path: Path) -> None:
    text = code(path)
    assert len(list(loops(text))) == len(
        re.findall(r"\bcdef\b.*\b(?:timed_)?loop\(.*:$", text, re.M)
    )


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_helpers_of_a_loop_read_no_clock(path: Path) -> None:
    clocks = ("clock.h", "cpu_time.h", "sample_clock.h", "repeated_calls.h")
    if path.name not in clocks:
        called = re.sub(r'"[^"\n]*"', "", path.read_text())  # calls.h only names them
        assert not re.search(rf"\b(?:{CLOCK})\b", called)


@by_name
def test_systems_differ_in_headers_only(path: Path) -> None:
    assert not re.search(r"__linux__|__APPLE__|__FreeBSD__|UNAME_SYSNAME", path.read_text())


@each(PROBES)
def test_a_probes_workload_says_what_one_operation_is(probe: Probe) -> None:
    workload = workload_class(probe)
    assert issubclass(workload, Workload)
    assert re.match(r"One operation\b", workload.__doc__)
