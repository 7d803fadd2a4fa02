"""Memory: moving bytes, from the first cache to the last."""

from micro.probe import Axis, Probe, powers_of_two

_KIB, _MIB = 1 << 10, 1 << 20

PROBES = (
    Probe(
        name="memory.copy",
        kernel="cyext.memory:Copy",
        title="copy memory",
        method="One operation is the C library's memcpy() of size bytes between two touched "
        "buffers, huge pages advised; bandwidth counts each byte copied once.",
        source="lmbench, bw_mem bcopy (McVoy and Staelin 1996)",
        axis=Axis(
            "size",
            (*powers_of_two(256, 4 * _MIB), 16 * _MIB, 64 * _MIB, 256 * _MIB),
            quick=(256, 16 * _KIB, _MIB, 16 * _MIB),
        ),
        bytes_per_op="level",
        clock_bound_up_to=256 * _KIB,
    ),
)
