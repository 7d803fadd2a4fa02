from __future__ import annotations

import io
import stat
from pathlib import Path

import initramfs
import pytest
import qemu

APT = [
    "linux-image-amd64",
    "linux-image-6.1.0-47-cloud-amd64",
    "linux-image-6.1.0-56-cloud-amd64",
    "linux-image-6.1.0-56-cloud-amd64-dbg",
    "linux-image-6.1.0-9-cloud-amd64",
    "linux-image-6.1.0-56-rt-amd64",
    "linux-image-6.12-cloud-amd64",
    "linux-image-6.12.9+deb12-cloud-amd64",
    "linux-image-6.12.117+deb12-cloud-amd64",
    "linux-image-6.12.117+deb12-cloud-amd64-unsigned",
    "linux-image-6.12.115+deb12-rt-amd64",
]


@pytest.mark.parametrize(
    ("version", "package"),
    [
        ("6.1", "linux-image-6.1.0-56-cloud-amd64"),
        ("6.1-rt", "linux-image-6.1.0-56-rt-amd64"),
        ("6.12", "linux-image-6.12.117+deb12-cloud-amd64"),
        ("6.12-rt", "linux-image-6.12.115+deb12-rt-amd64"),
        ("6.13", None),
        ("6", None),
        ("6.1-.*", None),
    ],
)
def test_the_newest_kernel_of_a_version(version: str, package: str | None) -> None:
    assert qemu.newest(version, "amd64", APT) == package


ARM = [
    "linux-image-arm64-16k",
    "linux-image-6.12.107+deb13-arm64-16k",
    "linux-image-6.12.117+deb13-arm64-16k",
    "linux-image-6.12.117+deb13-arm64-16k-dbg",
    "linux-image-6.12.117+deb13-arm64",
    "linux-image-6.12.117+deb13-cloud-arm64",
    "linux-image-6.12.117+deb13-rt-arm64",
]


@pytest.mark.parametrize(
    ("version", "ending"), [("6.12", "arm64"), ("6.12-16k", "arm64-16k"), ("6.12-rt", "rt-arm64")]
)
def test_the_newest_kernel_for_arm(version: str, ending: str) -> None:
    assert qemu.newest(version, "arm64", ARM) == f"linux-image-6.12.117+deb13-{ending}"


def members(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content of each member, read as the kernel reads them."""
    found = {}
    at = 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701"
        numbers = [int(archive[at + i : at + i + 8], 16) for i in range(6, 110, 8)]
        name_end = at + 110 + numbers[11]
        name = archive[at + 110 : name_end]
        assert name.endswith(b"\0")
        start = -(-name_end // 4) * 4
        found[name[:-1].decode()] = numbers[1], archive[start : start + numbers[6]]
        at = -(-(start + numbers[6]) // 4) * 4
    return found


def test_an_archive_holds_what_was_put_in() -> None:
    out = io.BytesIO()
    for length in range(9):
        mode = stat.S_IFREG | 0o644
        initramfs.entry(out, Path("/a" * (length + 1)), mode, b"x" * length)
    initramfs.entry(out, Path("/dev/console"), stat.S_IFCHR | 0o600, device=(5, 1))
    found = members(out.getvalue())
    assert [content for _, content in found.values()] == [b"x" * n for n in range(9)] + [b""]
    assert found["a/a"] == (stat.S_IFREG | 0o644, b"x")
    assert stat.S_ISCHR(found["dev/console"][0])


def test_an_archive_has_the_files_of_the_guest_under_their_paths_there(tmp_path: Path) -> None:
    (tmp_path / "library.so").write_bytes(b"code")
    (tmp_path / "link.so").symlink_to("library.so")
    inside = Path("/usr/lib")
    files = {inside / name: tmp_path / name for name in ("library.so", "link.so")}
    order = initramfs.Order("/usr/bin/python3.13", "/micro", ["/micro"], ["all"], "ttyS0")
    initramfs.write(tmp_path / "archive", files, order)
    found = members((tmp_path / "archive").read_bytes())
    assert found["usr/lib/library.so"][1] == b"code"
    mode, target = found["usr/lib/link.so"]
    assert (stat.S_ISLNK(mode), target) == (True, b"library.so")
    assert stat.S_ISDIR(found["usr"][0])
    assert found["init"][1].startswith(b"#!/usr/bin/python3.13 -u\n")
    assert b'"port": "ttyS0"' in found["order.json"][1]


def test_what_is_missing_is_said() -> None:
    with pytest.raises(initramfs.NotInstalled, match="no-such-distribution is not installed"):
        initramfs.required("no-such-distribution")
