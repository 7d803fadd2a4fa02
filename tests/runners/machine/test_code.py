"""The hash of measured code: the same for the same code, another for other code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from runners.machine.code import ROOT, code_hash, worker_hash

SOURCE = "int operation(int x) { return x * 3; }\n"


def compiled(root: Path, source: str, *options: str) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (root / "family").mkdir(parents=True, exist_ok=True)
    (root / "code.c").write_text(source)
    target = root / "family" / "work.abi3.so"
    command = [compiler, "-shared", "-fPIC", *options, root / "code.c", "-o", target]
    subprocess.run(command, check=True)


def test_two_builds_in_two_folders_with_and_without_debug_information_have_one_hash(
    tmp_path: Path,
) -> None:
    compiled(tmp_path / "one", SOURCE, "-g")
    compiled(tmp_path / "another folder", SOURCE)
    first = code_hash(("family.work",), root=tmp_path / "one")
    assert first is not None
    assert first == code_hash(("family.work",), root=tmp_path / "another folder")


def test_other_code_has_another_hash(tmp_path: Path) -> None:
    compiled(tmp_path / "one", SOURCE)
    compiled(tmp_path / "two", SOURCE.replace("3", "5"))
    hashes = {code_hash(("family.work",), root=tmp_path / name) for name in ("one", "two")}
    assert len(hashes) == 2


def test_a_program_that_the_module_starts_counts(tmp_path: Path) -> None:
    for name, program in (("one", b"exit 0"), ("two", b"exit 1")):
        (tmp_path / name / "family").mkdir(parents=True)
        (tmp_path / name / "family" / "work.abi3.so").write_bytes(b"no ELF file")
        (tmp_path / name / "family" / "micro-helper").write_bytes(program)
    hashes = {code_hash(("family.work",), root=tmp_path / name) for name in ("one", "two")}
    assert len(hashes) == 2


def test_what_is_not_compiled_has_none() -> None:
    assert code_hash(("cyext.core.no_such_module",)) is None


def test_the_code_around_the_loops_has_a_hash_of_its_own(tmp_path: Path) -> None:
    for folder in ("runners/measure", "runners/machine", "cyext/core"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    known = {worker_hash(tmp_path)}
    for changed in (
        "runners/measure/noise.py",
        "runners/machine/cpu_stat.py",
        "cyext/core/scratch.py",
    ):
        path = tmp_path / changed
        path.write_bytes(path.read_bytes() + b"\n_READ = bytearray(1 << 17)\n")
        known.add(worker_hash(tmp_path))
    assert len(known - {None}) == 4
    path = tmp_path / "runners/measure/noise.py"
    path.unlink()
    assert worker_hash(tmp_path) is None
