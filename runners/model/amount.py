"""Numbers with what they are of, in the singular where there is one."""

from __future__ import annotations

#: Endings of plurals, and those of their singulars; the first that fits.
_ENDINGS = {"ies": "y", "ches": "ch", "shes": "sh", "sses": "ss", "xes": "x", "s": ""}
#: What follows one of these is not what is counted: "copies of each byte sent".
_ENDS_NOUN = ("in", "of", "per", "with")


def amount(number: float | str, unit: str) -> str:
    """``1 system call``, ``1,234 system calls``: a number or its text, of a unit in the plural."""
    text = number if isinstance(number, str) else f"{number:,}"
    return f"{text} {_singular(unit) if text == '1' else unit}"


def _singular(unit: str) -> str:
    words = unit.split(" ")
    for i, word in enumerate(words):
        if word in _ENDS_NOUN:
            break
        if len(word) > 2 and word.endswith("s"):  # "µs" is no plural
            ending = next(ending for ending in _ENDINGS if word.endswith(ending))
            words[i] = word.removesuffix(ending) + _ENDINGS[ending]
            break
    return " ".join(words)
