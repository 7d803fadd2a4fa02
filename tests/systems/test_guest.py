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
    assert qemu.newest(version, APT) == package


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


def test_what_is_missing_is_said() -> None:
    with pytest.raises(initramfs.NotInstalled, match="no-such-distribution is not installed"):
        initramfs.required("no-such-distribution")
