"""Mappings: making them and touching them, few and many."""

from micro.probe import Axis, Probe, powers_of_two

_MAPS = Axis("maps", powers_of_two(16, 1 << 16), quick=(16, 128, 1024, 8192, 65536))

PROBES = (
    Probe(
        name="mmap.map",
        kernel="cyext.mmap:Map",
        title="map a page among many maps",
        method="One operation, with maps mappings live, is mmap() of one more page of a file, at "
        "every second page so that mappings cannot merge; munmap() is not timed.",
        source="von Leitner, Scalable Network Programming (2003)",
        axis=_MAPS,
    ),
    Probe(
        name="mmap.touch",
        kernel="cyext.mmap:Touch",
        title="first read of a mapped page",
        method="One operation, with maps mappings live, is the first read of one byte of one more "
        "such mapping, its page being in the page cache; mmap() and munmap() are not timed.",
        source="von Leitner, Scalable Network Programming (2003)",
        axis=_MAPS,
    ),
)
