"""The pages of documentation: ``docs/`` of a checkout, ``micro/docs`` of an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def topics() -> dict[str, Path]:
    """The pages by name."""
    for folder in (_PACKAGE / "docs", _PACKAGE.parent / "docs"):
        if found := sorted(folder.glob("*.md")):
            return {page.stem: page for page in found}
    return {}


def title(page: Path) -> str:
    """A page's heading."""
    with page.open(encoding="utf-8") as lines:
        return next(lines, "").lstrip("# ").rstrip()
