"""The core alone: a figure that no operating system should change."""

from micro.probes.declaration import Probe

PROBES = (
    Probe(
        name="cpu.chain",
        workload="cyext.cpu.chain:Chain",
        spends_time_in="user space",
        title="multiply and add in a chain",
        method="One operation is a 64-bit multiplication and an addition, each waiting for the one "
        "before, in registers; it tells the clock rate the core really ran at.",
        source="the sentinel's chain: a reference for comparing machines",
        clock_bound_up_to=0,
        needs_no_reference="it is itself the sentinel's chain, which every reference program runs",
    ),
)
