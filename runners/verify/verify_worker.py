"""One look at one job while it is verified, in a fresh process that `runners.measure.start` began.

The order is that of `runners.measure.launch.Order`, with one more key:

``{"count": [n, ...]}``
    makes the workload, runs batches of so many operations, their loops marked for a tracer, and
    closes it; tells ``{"n", "elapsed_ns"}`` of the last batch, ``{"limit"}`` where it could not
    grow as far, and ``{"left"}``, what it failed to give back, by name;
``{"pairs": k}``
    tells the slices of k batches of n and of k batches of 2n, taken in turns.

The rest is as in `runners.measure.worker`.
"""

import os
import time

from runners.measure.lean import emit, import_module, pin
from runners.measure.workloads import (
    clock_read_ns,
    failure,
    fitting_batch,
    levels_are_members,
    make,
    put_away,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runners.measure.workloads import Workload

THREADS = "/proc/self/task"
#: Mappings that libraries keep for reuse: more than that were forgotten.
KEPT_MAPPINGS = 16
#: For so long the system may still list threads that have ended and were joined.
LISTED_S = 1.0


def listed(path: str) -> "int | None":
    """How many entries a directory has; None where there is no such directory."""
    try:
        return len(os.listdir(path))
    except OSError:
        return None


def held() -> "dict[str, int]":
    """What this process holds, as far as the system tells: counts by name."""
    counts = {}
    for name, path in (
        ("descriptors", "/proc/self/fd"),
        ("threads", THREADS),
        ("files", os.environ.get("MICRO_SCRATCH", "")),
        ("files in memory", os.environ.get("MICRO_MEMORY_SCRATCH", "")),
    ):
        found = listed(path)
        if found is not None:
            counts[name] = found
    try:
        with open("/proc/self/maps", "rb") as file:
            counts["mappings"] = sum(1 for _ in file)
    except OSError:
        pass
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            counts["children"] = counts.get("children", 0) + 1
        counts["children"] = counts.get("children", 0) + 1  # one lives and waits for something
    except ChildProcessError:
        counts.setdefault("children", 0)
    return counts


def left(before: "dict[str, int]") -> "dict[str, int]":
    """What this process holds more of than before."""
    deadline = time.monotonic() + LISTED_S
    while (listed(THREADS) or 0) > before.get("threads", 0) and time.monotonic() < deadline:
        time.sleep(0.001)
    more = {name: count - before.get(name, count) for name, count in held().items()}
    if more.get("mappings", 0) <= KEPT_MAPPINGS:
        more.pop("mappings", None)
    return {name: count for name, count in more.items() if count > 0}


def made(order: "dict[str, Any]", base: "Any") -> "Workload":
    """The workload or the team of the order, grown to its level or to what the system allows."""
    (level,) = order["levels"]
    workload = make(order, level, order["cpus"])
    if level is not None and not levels_are_members(order):
        try:
            workload.grow(level)
        except base.LimitReached as stop:  # it stands at what it reached
            emit(limit={"reached": stop.reached, "reason": stop.reason})
        except BaseException:
            workload.close()
            raise
    return workload


def count(order: "dict[str, Any]") -> None:
    """Marked batches, and what was left."""
    base = import_module("cyext.core.workload")
    import_module(order["workload"].partition(":")[0])
    import_module("cyext.core.team")
    base.mark_loops()
    before = held()
    workload: Workload | None = None
    base.mark_armed(True)
    try:
        workload = made(order, base)
        for wanted in order["count"]:
            n = int(min(wanted, workload.max_batch))
            elapsed_ns = workload.run(n)
        emit(n=n, elapsed_ns=elapsed_ns)
    except (base.NotSupported, base.LimitReached) as reason:
        emit(skipped=str(reason))
    except Exception as error:
        emit(**failure(error))
    finally:
        put_away(workload)
        base.mark_armed(False)
    del workload
    emit(left=left(before))


def pairs(order: "dict[str, Any]") -> None:
    """Batches of n and 2n in turns."""
    base = import_module("cyext.core.workload")
    clock_ns = clock_read_ns(base)
    workload: Workload | None = None
    try:
        workload = made(order, base)
        (level,) = order["levels"]
        n = int(min(fitting_batch(workload, order, level, clock_ns), workload.max_batch // 2))
        if n < 1:
            emit(skipped="a batch holds a single operation here")
            return
        once, twice = workload.sample(1, n)[:0], workload.sample(1, n)[:0]
        workload.sample(2, n)
        for _ in range(order["pairs"]):
            once += workload.sample(1, n)
            twice += workload.sample(1, 2 * n)
        emit(n=n, once=once.tolist(), twice=twice.tolist(), clock_ns=clock_ns)
    except (base.NotSupported, base.LimitReached) as reason:
        emit(skipped=str(reason))
    except Exception as error:
        emit(**failure(error))
    finally:
        put_away(workload)


def work(order: "dict[str, Any]") -> None:
    """Carry out an order."""
    if order["workers"] == "single":
        pin(order["cpus"][:1])
    if "count" in order:
        count(order)
    else:
        pairs(order)
    emit(done=True)
