"""Compile every workload and helper program for systems that none of us runs; fail on errors.

Zig, from PyPI, brings the C headers of all of them: ``python -m pip install cython ziglang``, then
``python tests/portability/cross_compile.py [TARGET ...]``. It only compiles: nothing is linked or
run. Python's headers are the running interpreter's, which must be a 64-bit Linux one; the limited
API that the workloads use looks the same on every 64-bit system.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    "x86_64-macos",
    "aarch64-macos",
    "x86_64-freebsd",
    "x86_64-openbsd",
    "x86_64-netbsd",
    "aarch64-linux-gnu",
    "x86_64-linux-musl",
)
ZIG_CACHES = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
#: What Python's configure defines on one system only, and Linux's pyconfig.h therefore lacks.
CONFIGURED = """
#ifdef __OpenBSD__
#define _BSD_SOURCE 1
#endif
"""


def limited_api() -> str:
    """The ``Py_LIMITED_API`` that the wheels are built with, from ``py-api = "cp311"``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    minor = int(project["tool"]["scikit-build"]["wheel"]["py-api"].removeprefix("cp3"))
    return f"0x03{minor:02x}0000"


def copy_python_headers(folder: Path) -> None:
    """Python's headers with a pyconfig.h that serves other systems, too."""
    shutil.copytree(sysconfig.get_path("include"), folder)
    # Debian's pyconfig.h only includes that of one of its own architectures.
    configured = Path(sysconfig.get_config_h_filename()).read_text()
    (folder / "pyconfig.h").write_text(CONFIGURED + configured)


def transpile(folder: Path, workload: Path) -> Path:
    """The C file of a workload."""
    name = f"{workload.parent.name}.{workload.stem}"
    generated = folder / f"{name}.c"
    options = ("-3", "--working", str(ROOT), "-I", str(ROOT), "-o", str(generated))
    python: list[str | Path] = [sys.executable, "-m", "cython", *options]
    subprocess.run([*python, "--module-name", f"cyext.{name}", workload], check=True)
    return generated


def compile_for(target: str, folder: Path, source: Path) -> str:
    """What the compiler says against one C file; empty if it compiles."""
    arguments: list[str | Path] = ["-target", target, "-std=gnu11", "-O0", "-fno-sanitize=all"]
    arguments += [f"-I{ROOT / 'cyext'}", "-o", folder / f"{target}-{source.stem}.o", "-c", source]
    if source.parent == folder:  # generated: warnings there are nobody's
        arguments += [f"-I{folder / 'include'}", f"-DPy_LIMITED_API={limited_api()}"]
        arguments += ["-DCYTHON_LIMITED_API=1"]
    else:
        arguments += ["-Wall", "-Wextra", "-Werror"]
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | dict.fromkeys(ZIG_CACHES, str(folder / "zig")),
    )
    return done.stderr if done.returncode else ""


def main() -> int:
    """Compile all for all; 1 if something does not compile."""
    targets = sys.argv[1:] or TARGETS
    for module in ("Cython", "ziglang"):
        if find_spec(module) is None:
            print(f"{module} is missing: python -m pip install cython ziglang", file=sys.stderr)
            return 2
    errors = 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name)
        copy_python_headers(folder / "include")
        workloads = sorted((ROOT / "cyext").glob("*/*.pyx"))
        programs = sorted((ROOT / "cyext").glob("*/*.c"))
        sources = [*programs, *pool.map(partial(transpile, folder), workloads)]
        for target in targets:
            said = list(pool.map(partial(compile_for, target, folder), sources))
            failed = [text for text in said if text]
            print(*failed, f"{target}: {len(said) - len(failed)} of {len(said)} compile", sep="\n")
            errors += len(failed)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
