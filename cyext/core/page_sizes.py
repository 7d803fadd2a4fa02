"""Which sizes of pages this system has, by the names that parameters give them."""

import os

from cyext.core.errors import NotSupported
from cyext.core.parameters import one_of

#: Bytes of the page that the system gives unless asked for another: 4 KiB, on many Arm systems 16.
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: Its name as the value of a parameter: ``4k``.
SMALL_PAGES = f"{PAGE_BYTES >> 10}k"
#: Bytes of the huge page that micro measures, and its name.
HUGE_PAGE_BYTES = 2 << 20
HUGE_PAGES = "huge"
_FOLDER = "/sys/kernel/mm/transparent_hugepage"


def wants_huge_pages(pages: object) -> bool:
    """Whether a parameter asks for huge pages, and not for the usual ones, which it names by size.

    Raises `NotSupported` where the system's huge pages are known to have another size.
    """
    huge = bool(one_of(pages, {SMALL_PAGES: False, HUGE_PAGES: True}))
    if huge and (other := _another_size()):
        raise NotSupported(other)
    return huge


def no_huge_pages(name: str = "enabled") -> str:
    """Why this process gets no transparent huge pages of 2 MiB: their size, or the setting."""
    chosen = _read(name).partition("[")[2].partition("]")[0]
    if not chosen:
        return "no transparent huge pages on this system"
    return (
        _another_size()
        or f"no transparent huge page of 2 MiB was given: {_FOLDER}/{name} is {chosen}"
    )


def _another_size() -> str:
    """That the system's huge pages have another size than those that micro measures, if so."""
    given = _read("hpage_pmd_size")
    if given.isdecimal() and int(given) != HUGE_PAGE_BYTES:
        return f"huge pages are of {int(given) >> 20} MiB here, not of 2 MiB"
    return ""


def _read(name: str) -> str:
    """What a file of the kernel's settings says; empty where there is none."""
    try:
        with open(f"{_FOLDER}/{name}", "rb") as file:
            return file.read().decode("ascii", "replace").strip()
    except OSError:
        return ""
