"""Control groups: where they are made, that processes are in them, that none is left."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from isolated import isolated

from cyext.container.contained import NullCall
from cyext.core import cgroups as groups
from cyext.core.cgroups import PREFIX, Groups, remove_abandoned
from cyext.core.errors import NotSupported


def own(controller: str) -> str:
    """The path of this process's group in the hierarchy of a controller."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().split("\n")]
    of_one = {name: words[2] for words in lines if words[1:] for name in words[1].split(",")}
    return of_one.get(controller) or of_one[""]


@pytest.fixture
def base() -> str:
    """Where groups can really be made here."""
    try:
        made = Groups("memory")
        made.enter(1)
    except NotSupported as reason:
        pytest.skip(str(reason))
    made.leave()
    return made.base


def ours(folder: str) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(f"{PREFIX}{os.getpid()}-")]


@pytest.mark.usefixtures("base")
def test_the_process_is_so_deep_and_nothing_is_left() -> None:
    def check() -> None:
        before = own("memory")
        workload = NullCall("memory", 3)
        assert own("memory").count(PREFIX) == 3
        assert workload.run(10) > 0
        workload.close()
        workload.close()
        assert own("memory") == before
        assert ours(Groups("memory").base) == []

    isolated(check)


def test_who_may_make_none_is_told_what_is_needed(base: str) -> None:
    if os.getuid() != 0:
        pytest.skip("this user may make some")

    def check() -> None:
        os.setuid(65_534)
        with pytest.raises(NotSupported, match=r"mkdir: EACCES \(root may"):
            NullCall("memory", 1)

    isolated(check)


def test_what_a_killed_process_left_is_removed(base: str) -> None:
    dead, alive = (f"{base}/{PREFIX}{pid}-0" for pid in (2**22 + 1, os.getpid()))
    os.makedirs(f"{dead}/{PREFIX}1-0")
    os.mkdir(alive)
    try:
        remove_abandoned(base)
        assert not os.path.exists(dead)
        assert os.path.exists(alive)
    finally:
        os.rmdir(alive)


@pytest.mark.parametrize(
    ("text", "handed_on", "found"),
    [
        ("4:memory:/a\n0::/b\n", {}, ("memory/a", "memory/a", 1)),
        ("0::/a/b\n", {"a": "cpu memory"}, ("a/b", "a", 2)),
        ("0::/a/b\n", {"": "memory", "a": "pids"}, ("a/b", "", 2)),
        ("0::/a/b\n", {"a": "pids"}, "hands the controller memory on"),
        ("2:cpu:/\n", {}, "no control groups here"),
        ("", {}, "no control groups here"),
    ],
)
def test_new_groups_are_made_where_a_controller_is_handed_on(
    text: str,
    handed_on: dict[str, str],
    found: tuple[str, str, int] | str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mount = tmp_path / "sys/fs/cgroup"
    for folder in ("memory/a", "a/b"):
        (mount / folder).mkdir(parents=True)
    for folder in (mount, *(path for path in mount.rglob("*") if path.is_dir())):
        (folder / "cgroup.procs").touch()
    for folder, controllers in handed_on.items():
        (mount / folder / "cgroup.subtree_control").write_text(controllers)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(text)
    monkeypatch.setattr(groups, "_ROOT", str(tmp_path))
    if isinstance(found, str):
        with pytest.raises(NotSupported, match=found):
            Groups("memory")
        return
    made = Groups("memory")
    home, base_, version = found
    assert [Path(made.home), Path(made.base)] == [mount / home, mount / base_]
    assert made.version == version


def test_a_small_share_is_one_of_the_cpu() -> None:
    try:
        made = Groups("cpu")
        made.add()
    except NotSupported as reason:
        pytest.skip(str(reason))
    try:
        fd, small, usual = made.open_share()
        (file,) = Path(made.chain[0]).glob("cpu.[sw][he]*")
        assert file.read_bytes() == usual + b"\n"
        os.pwrite(fd, small, 0)
        assert int(file.read_text()) == int(usual) // 16
        os.close(fd)
    finally:
        made.leave()


@pytest.mark.usefixtures("base")
def test_a_group_that_stays_does_not_keep_those_above_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Groups("memory")
    made.enter(4)
    tried = []

    def refused(folder: str) -> None:
        tried.append(folder)
        raise PermissionError(errno.EPERM, "rmdir")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", refused)
        left = list(made.chain)
        made.leave()
    assert tried == left[-1:]
    for folder in reversed(left):
        os.rmdir(folder)
