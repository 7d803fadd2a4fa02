"""What GitHub-flavoured markdown makes of a text."""

from __future__ import annotations

from markdown_it import MarkdownIt


def meant(text: str) -> set[str]:
    """The kinds of its elements, but for plain words and code."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = [t for block in parser.parse(text) for t in (block, *(block.children or ()))]
    return {token.type for token in tokens if token.type not in ("inline", "text", "code_inline")}


def plain_words(text: str) -> str:
    """What stands outside of code."""
    return "".join(
        token.content
        for block in MarkdownIt("commonmark").parse(text)
        for token in block.children or ()
        if token.type == "text"
    )
