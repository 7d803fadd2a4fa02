"""Call stacks for flame graphs: folded, one line a stack, and as SVG."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

from runners.model.profile import Profile

Stacks = Mapping[tuple[str, ...], int]

WIDTH, ROW, LEAST_WIDTH = 1200, 17, 0.5
#: A letter of the labels, in pixels.
LETTER = 6.6


def stacks_of(profiles: Iterable[Profile]) -> dict[tuple[str, ...], int]:
    """Samples by stack, the outermost frame first: the benchmark."""
    return {
        (str(profile.benchmark), *(symbol.label for symbol in stack)): count
        for profile in profiles
        for stack, count in profile.stacks.items()
    }


def folded(stacks: Stacks) -> str:
    """One line a stack, ``outer;inner count``: what flame-graph tools read."""
    lines = (
        f"{';'.join(frame.replace(';', ':') for frame in stack)} {count}\n"
        for stack, count in sorted(stacks.items())
    )
    return "".join(lines)


@dataclass
class _Frame:
    samples: int = 0
    inner: dict[str, _Frame] = field(default_factory=dict)

    @property
    def height(self) -> int:
        return 1 + max((frame.height for frame in self.inner.values()), default=0)


def svg(stacks: Stacks, title: str) -> str:
    """A flame graph: the width of a frame is its share of the samples, callers lie below."""
    top = _Frame()
    for stack, count in stacks.items():
        at = top
        at.samples += count
        for name in stack:
            at = at.inner.setdefault(name, _Frame())
            at.samples += count
    height = (top.height + 2) * ROW
    boxes: list[str] = []
    _draw(boxes, top, 0.0, height - ROW, WIDTH / max(1, top.samples), top.samples)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="monospace" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="4" y="{ROW - 4}" font-size="13">{escape(title)}</text>\n'
        + "".join(boxes)
        + "</svg>\n"
    )


def _draw(
    boxes: list[str], frame: _Frame, left: float, bottom: float, scale: float, total: int
) -> None:
    for name, inner in sorted(frame.inner.items()):
        width = inner.samples * scale
        if width >= LEAST_WIDTH:
            hue = zlib.crc32(name.encode()) % 55
            letters = int((width - 4) / LETTER)
            label = (
                name if len(name) <= letters else name[: letters - 2] + ".." if letters > 3 else ""
            )
            told = f"{name}: {inner.samples} samples, {inner.samples / total:.1%}"
            boxes.append(
                f'<g><title>{escape(told)}</title><rect x="{left:.1f}" y="{bottom - ROW:.1f}" '
                f'width="{width:.1f}" height="{ROW - 1}" fill="hsl({hue},80%,65%)"/>'
                f'<text x="{left + 2:.1f}" y="{bottom - 5:.1f}">{escape(label)}</text></g>\n'
            )
            _draw(boxes, inner, left, bottom - ROW, scale, total)
        left += width
