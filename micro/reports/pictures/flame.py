"""Flame graphs: the width of a frame is its share of the samples, callers lie below."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from micro.reports.insights.stacks import Stacks
from micro.reports.markup import element
from micro.reports.pictures.svg import COLOURS, WIDTH, framed
from runners.model.frames import Frame, put_together

_ROW, _LEAST_WIDTH = 17, 0.5
#: A letter of a frame's name.
_LETTER = 6.6


@dataclass(frozen=True)
class _Box:
    name: str
    samples: int
    left: float
    width: float
    #: How many frames lie below.
    depth: int


def flame_svg(stacks: Stacks, identity: str, title: str, alone: bool = False) -> Element:
    """A flame graph's SVG element; ``identity`` makes its ids unique in a page."""
    top = put_together(stacks)
    boxes = list(_boxes(top))
    height = _ROW * max((box.depth + 1 for box in boxes), default=1)
    drawn = [_drawn(box, height, top.samples) for box in boxes]
    description = f"{top.samples} samples; a frame lies on its caller, as wide as its share."
    return framed(identity, title, description, (WIDTH, height), drawn, alone)


def _boxes(top: Frame[str]) -> Iterator[_Box]:
    """Every frame that is wide enough to be seen."""
    scale = WIDTH / max(1, top.samples)
    waiting = [(top, 0.0, 0)]
    while waiting:
        frame, left, depth = waiting.pop()
        for name, inner in sorted(frame.inner.items()):
            width = inner.samples * scale
            if width >= _LEAST_WIDTH:
                yield _Box(name, inner.samples, left, width, depth)
                waiting.append((inner, left, depth + 1))
            left += width


def _drawn(box: _Box, height: int, total: int) -> Element:
    top = float(height - (box.depth + 1) * _ROW)
    said = f"{box.name}: {box.samples} samples, {box.samples / total:.1%}"
    sides = {"x": box.left, "y": top, "width": box.width, "height": _ROW - 1}
    name = _fitting(box.name, int((box.width - 4) / _LETTER))
    # The same name has the same colour in every picture.
    kind = f"s{zlib.crc32(box.name.encode()) % COLOURS}"
    return element(
        "g",
        {"class": kind},
        element("title", {}, said),
        element("rect", {"class": "box", **sides}),
        element("text", {"class": "inside", "x": box.left + 2, "y": top + 12}, name)
        if name
        else None,
    )


def _fitting(name: str, letters: int) -> str:
    """As much of a name as there is room for; none if that is too little to know it by."""
    if len(name) <= letters:
        return name
    return f"{name[: letters - 1]}…" if letters > 3 else ""
