from __future__ import annotations

import errno
import os
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from held import descriptors, leave_descriptors
from isolated import isolated

from cyext.core.errors import NotSupported, OperationFailed
from cyext.core.scratch import MemoryFile, ScratchDirectory, ScratchFile, cached_file
from cyext.fd.descriptors import OpenClose
from cyext.mmap.mappings import ManyFiles, Map


@pytest.mark.parametrize("size_bytes", [0, 1, 10_000_000])
def test_a_file_of_the_size_asked_comes_and_goes(size_bytes: int, scratch: Path) -> None:
    before = descriptors()
    file = ScratchFile(size_bytes)
    (path,) = scratch.iterdir()
    assert os.fsencode(path) == os.path.join(os.fsencode(file.directory), file.name)
    status = os.fstat(file.fd)
    assert status.st_size == size_bytes
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert not os.get_inheritable(file.fd)
    file.remove()
    assert list(scratch.iterdir()) == []
    assert descriptors() == before


def test_each_file_is_another(scratch: Path) -> None:
    files = [ScratchFile() for _ in range(20)]
    assert len(list(scratch.iterdir())) == 20
    for file in files:
        file.remove()
    assert list(scratch.iterdir()) == []


def test_a_file_that_somebody_removed_is_no_error(scratch: Path) -> None:
    before = descriptors()
    file = ScratchFile()
    (path,) = scratch.iterdir()
    path.unlink()
    file.remove()
    assert descriptors() == before


def test_without_a_scratch_directory_the_temporary_one_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.delenv("MICRO_SCRATCH")
    monkeypatch.setenv("TMPDIR", str(other))
    file = ScratchFile()
    assert len(list(other.iterdir())) == 1
    file.remove()
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("make", [ScratchFile, ScratchDirectory, OpenClose, Map, ManyFiles])
@pytest.mark.parametrize("wrong", ["missing", "file"])
def test_a_directory_that_is_none_is_named(
    make: type, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()
    (tmp_path / "file").touch()
    monkeypatch.setenv("MICRO_SCRATCH", str(tmp_path / wrong))
    with pytest.raises(OSError, match=f"{tmp_path / wrong}") as caught:
        make()
    assert caught.value.errno in (errno.ENOENT, errno.ENOTDIR)
    assert descriptors() == before


def test_a_directory_that_is_not_ours_is_named(scratch: Path) -> None:
    def check() -> None:
        if os.getuid() == 0:
            os.setuid(65_534)
        with pytest.raises(PermissionError) as caught:
            ScratchFile()
        assert os.fsdecode(caught.value.filename).startswith(str(scratch))

    scratch.chmod(0o555)
    isolated(check)


def test_a_file_too_large_leaves_nothing(scratch: Path) -> None:
    def check() -> None:
        before = descriptors()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(OSError, match="ftruncate to 1,001 bytes: EFBIG"):
            ScratchFile(1001)
        assert list(scratch.iterdir()) == []
        assert descriptors() == before

    isolated(check)


@pytest.mark.parametrize("make", [ScratchFile, MemoryFile, cached_file])
def test_a_filled_file_holds_what_was_asked_for_last(
    make: Callable[[], ScratchFile | MemoryFile], scratch: Path
) -> None:
    before = descriptors()
    file = make()
    file.fill(3_000_000, b"a")
    file.fill(1_500_000, b"m")
    assert os.pread(file.fd, 4_000_000, 0) == b"m" * 1_500_000
    assert not os.get_inheritable(file.fd)
    file.remove()
    assert list(scratch.iterdir()) == []
    assert descriptors() == before


def test_a_file_that_cannot_be_filled_names_the_call(scratch: Path) -> None:
    def check() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        file = ScratchFile()
        file.fill(1000, b"a")
        with pytest.raises(OperationFailed, match="pwrite: EFBIG after 0"):
            file.fill(1001, b"a")
        file.remove()

    isolated(check)


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EMFILE])
def test_without_files_in_memory_a_cached_one_has_a_name(
    error: int, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, flags: int) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "memfd_create", refuse)
    if error != errno.ENOSYS:
        with pytest.raises(OperationFailed, match="memfd_create: EMFILE"):
            cached_file()
        return
    with pytest.raises(NotSupported, match="no nameless file in memory"):
        MemoryFile()
    file = cached_file()
    assert len(list(scratch.iterdir())) == 1
    file.remove()
    assert list(scratch.iterdir()) == []


def test_a_directory_comes_and_goes_with_what_was_put_in(scratch: Path) -> None:
    before = descriptors()
    directory = ScratchDirectory()
    (path,) = scratch.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert os.fstat(directory.fd).st_ino == path.stat().st_ino
    assert not os.get_inheritable(directory.fd)
    directory.remove()
    assert list(scratch.iterdir()) == []
    assert descriptors() == before


def test_no_descriptor_for_a_directory_leaves_none(scratch: Path) -> None:
    def check() -> None:
        leave_descriptors(0)
        with pytest.raises(OSError, match="open files"):
            ScratchDirectory()

    isolated(check)
    assert list(scratch.iterdir()) == []


def test_where_no_file_system_is_in_memory_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MICRO_MEMORY_SCRATCH", "")
    with pytest.raises(NotSupported, match="no file system in memory"):
        ScratchDirectory(in_memory=True)
