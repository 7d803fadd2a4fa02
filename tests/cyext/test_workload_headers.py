"""What workloads do in C, checked in C: small programs around the headers themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CYEXT = HERE.parents[1] / "cyext"
COMPILERS = [name for name in ("cc", "clang") if shutil.which(name)]
MUSL = "musl-gcc"
TIME_LIMIT_S = 60


def built(program: str, compiler: str, level: str, directory: Path) -> Path:
    """The check, compiled as strictly as it can be."""
    binary = directory / program
    flags = ["-std=gnu11", level, "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{CYEXT}"]
    if compiler == MUSL:  # which leaves out the kernel's headers with those of the C library
        flags += [
            f"-idirafter/usr/include{below}" for below in ("", f"/{os.uname().machine}-linux-gnu")
        ]
    source = HERE / f"{program}.c"
    subprocess.run([compiler, *flags, "-o", str(binary), str(source)], check=True)
    return binary


def ended(check: Path) -> subprocess.CompletedProcess[str]:
    """The check, carried out."""
    return subprocess.run(
        [check], check=False, capture_output=True, text=True, timeout=TIME_LIMIT_S
    )


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", ["-O2", "-O3"])
def test_each_move_moves_its_bytes_and_no_others(compiler: str, level: str, tmp_path: Path) -> None:
    check = built("check_copy_loops", compiler, level, tmp_path)
    done = ended(check)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split()[0]) >= 6  # what every architecture has


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
def test_a_chain_of_loads_visits_every_line_once(tmp_path: Path) -> None:
    done = ended(built("check_chains", COMPILERS[0], "-O2", tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
@pytest.mark.parametrize("cpus", [1, 2])
def test_all_that_is_handed_over_is_freed_there(cpus: int, tmp_path: Path) -> None:
    check = built("check_block_ring", COMPILERS[0], "-O2", tmp_path)
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    try:
        if allowed:
            os.sched_setaffinity(0, allowed[:cpus])
        done = ended(check)
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs a link by signals")
@pytest.mark.parametrize("compiler", [*COMPILERS[:1], MUSL])
def test_a_peer_that_waits_for_signals_can_be_ended(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    done = ended(built("check_signal_link", compiler, "-O2", tmp_path))
    assert done.returncode == 0, done.stdout
