"""HTML and SVG as trees: what is escaped, and how, is the library's business. Text in markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, tostring

from micro.reports import printable

#: A child of an element; None is left out.
Node = Element | str | None


def element(tag: str, attributes: Mapping[str, object] = {}, *children: Node) -> Element:
    """An element with its text and elements, in this order.

    Texts are untrusted: what cannot be printed becomes a question mark. Attributes that are None
    are left out; floats are written to a tenth.
    """
    made = Element(tag, {k: _value(v) for k, v in attributes.items() if v is not None})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif child and len(made):
            made[-1].tail = (made[-1].tail or "") + printable(child)
        elif child:
            made.text = (made.text or "") + printable(child)
    return made


def style(sheet: str) -> Element:
    """A style element; the sheet is our own and stands there as it is."""
    made = Element("style")
    made.text = sheet
    return made


def _value(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else printable(str(value))


def html(nodes: Iterable[Element]) -> str:
    """Elements as HTML."""
    return "".join(tostring(node, encoding="unicode", method="html") for node in nodes)


#: What may mean something to markdown, HTML or GitHub.
_MARKUP = re.compile(r"[`*_<>\[\]#@|&!\\]|~(?=\S)|:/|www\.")


def markdown_text(text: str) -> str:
    """The text with those words in backticks that could mean something else than themselves."""
    runs: list[tuple[bool, list[str]]] = []
    for word in printable(text).split(" "):
        is_code = _MARKUP.search(word) is not None
        if not runs or runs[-1][0] != is_code:
            runs.append((is_code, []))
        runs[-1][1].append(word)
    return " ".join(_code(" ".join(run)) if is_code else " ".join(run) for is_code, run in runs)


def _code(text: str) -> str:
    """In backticks, but for the punctuation at its end."""
    # A pipe would end the cell of a table, also inside backticks.
    text = text.replace("`", "'").replace("|", "\u00a6")
    inside = text.rstrip(",;:") or text
    return f"`{inside}`{text[len(inside) :]}"


def xml(root: Element) -> str:
    """One element as XML."""
    return tostring(root, encoding="unicode")
