"""Descriptors: opening and closing, few and many."""

from micro.probe import Axis, Probe, powers_of_two

PROBES = (
    Probe(
        name="fd.open_close",
        kernel="cyext.fd:OpenClose",
        title="open and close a file",
        method="One operation is openat() of an empty regular file in the temporary directory, "
        "by a name without directories, and close().",
        source="lmbench, lat_syscall open (McVoy and Staelin 1996)",
    ),
    Probe(
        name="fd.open_interleaved",
        kernel="cyext.fd:OpenInterleaved",
        title="open and close among many",
        method="One operation, with open_fds files open, is close() of the first and of the last "
        "and openat() of two, which take their descriptors.",
        source="Linux Scalability Project (Michigan 1999): interleaving defeats a hint that only "
        "remembers the descriptor closed last",
        axis=Axis("open_fds", powers_of_two(2, 1 << 17), quick=(2, 16, 128, 1024, 8192, 65536)),
    ),
)
