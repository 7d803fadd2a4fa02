"""Small and huge pages: named by their size, and refused where the system has others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cyext.core import page_sizes
from cyext.core.errors import NotSupported


def test_a_small_page_bears_the_name_of_its_size() -> None:
    kibibytes = os.sysconf("SC_PAGE_SIZE") // 1024
    assert f"{kibibytes}k" == page_sizes.SMALL_PAGES
    assert not page_sizes.wants_huge_pages(f"{kibibytes}k")


@pytest.mark.parametrize("pages", ["1k", "small", "", 4096, None])
def test_a_page_that_the_system_does_not_have_is_no_value(pages: object) -> None:
    with pytest.raises(ValueError, match="not a value"):
        page_sizes.wants_huge_pages(pages)


def settings(directory: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    for name, text in files.items():
        (directory / name).write_text(text)
    monkeypatch.setattr(page_sizes, "_FOLDER", str(directory))


def test_huge_pages_of_another_size_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(tmp_path, monkeypatch, hpage_pmd_size="33554432\n", enabled="[always] never\n")
    why = "huge pages are of 32 MiB here, not of 2 MiB"
    with pytest.raises(NotSupported, match=f"^{why}$"):
        page_sizes.wants_huge_pages("huge")
    assert page_sizes.no_huge_pages() == why
    assert not page_sizes.wants_huge_pages(page_sizes.SMALL_PAGES)


@pytest.mark.parametrize("files", [{"hpage_pmd_size": "2097152\n"}, {"hpage_pmd_size": "?"}, {}])
def test_huge_pages_of_the_known_or_of_no_known_size_are_tried(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(tmp_path, monkeypatch, **files)
    assert page_sizes.wants_huge_pages("huge")


def test_why_there_are_no_huge_pages_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(tmp_path, monkeypatch, enabled="always madvise [never]\n", shmem_enabled="\n")
    assert page_sizes.no_huge_pages().endswith("/enabled is never")
    for name in ("shmem_enabled", "no_such_file"):
        reason = page_sizes.no_huge_pages(name)
        assert reason == "no transparent huge pages on this system"
