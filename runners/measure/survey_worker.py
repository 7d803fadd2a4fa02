"""Look at the CPUs, in a process that `runners.measure.start` began.

``{"cpu", "senses"}``
    of each CPU alone: two integers a sentinel, its chain and its width in nanoseconds;
``{"pair", "slices"}``
    of each pair at once: six integers a slice, as `Workload.sample` gives them;
``{"handover_ns", "pair"}``
    what it took to hand a cache line over between the two CPUs, both ends polling;
``{"done": true}``
    everything was given back.
"""

import time

from runners.measure.lean import SLICE_NUMBERS, emit, import_module, pin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Some milliseconds: the host moves our CPUs within seconds at the earliest.
HAND_OVER_SLICES, HAND_OVERS = 15, 1_000
FAST_CLOCK_NS, CLOCK_LOOKS, CLOCK_LOOK_S = 1_000, 30, 0.1


def emit_hand_over(pair: "list[int]") -> None:
    """Tell what a polled hand-over between two CPUs takes; nothing where it cannot be had."""
    base = import_module("cyext.core.workload")
    base.run_on(pair)
    lines = import_module("cyext.hardware.lines")
    team = None
    try:
        members = [lines.CoreToCore(f"{pair[0]}-{pair[1]}") for _ in pair]
        team = import_module("cyext.core.team").Team(members, "threads", pair)
        slices_ns = sorted(team.sample(HAND_OVER_SLICES, HAND_OVERS)[::SLICE_NUMBERS])
        emit(handover_ns=slices_ns[len(slices_ns) // 2] / HAND_OVERS, pair=pair)
    except (OSError, MemoryError, base.NotSupported):
        pass  # what was measured before it stands without it
    finally:
        if team is not None:
            team.close()


def await_fast_clock(clock_cost: "Callable[[], float]") -> None:
    """Wait while reading the clock takes so long that the sentinel would time nothing else.

    A fresh gVisor traps every read for a second or two. Elsewhere, a slow clock stays slow.
    """
    for _ in range(CLOCK_LOOKS):
        if clock_cost() <= FAST_CLOCK_NS:
            return
        time.sleep(CLOCK_LOOK_S)


def work(order: "dict[str, Any]") -> None:
    """Sentinels of every CPU alone, then of each pair at once: who is clean, who shares a core."""
    base = import_module("cyext.core.workload")
    await_fast_clock(base.clock_cost)
    refused = None
    for cpu in order["cpus"]:
        refused = pin([cpu])
        emit(cpu=cpu, senses=base.sense(order["senses"], order["pause_ns"]).tolist())
    empty = import_module("cyext.core.empty")
    for pair in [] if refused else order["pairs"]:
        team = import_module("cyext.core.team").Team(
            [empty.Empty(), empty.Empty()], "threads", pair
        )
        try:
            emit(pair=pair, slices=team.sample(order["pair_slices"], 100_000).tolist())
        finally:
            team.close()
        emit_hand_over(pair)
    emit(done=True)
