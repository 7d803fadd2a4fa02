"""Faults: whichever call of a probe fails, no wrong number comes out, and nothing is left."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runners.counts.calls import SYNONYMS, canonical
from runners.counts.traced import CannotTrace
from runners.model.amount import amount
from runners.model.job import Job, Promise
from runners.verify.check import Bench, Check, outcome

#: Operations of the batch that is disturbed.
OPERATIONS = 2
#: What can go wrong with a call; the rest fail with EPERM and ENOSYS.
ERRORS = {
    "openat": ("EMFILE", "EINTR", "ENOMEM"),
    "close": ("EINTR", "EIO"),
    "read": ("EINTR", "EIO"),
    "write": ("EINTR", "ENOSPC"),
    "socket": ("EMFILE", "ENOMEM", "EPERM"),
    "bind": ("EADDRINUSE", "EPERM"),
    "connect": ("EADDRNOTAVAIL", "EINTR", "EPERM"),
    "accept": ("EMFILE", "EINTR", "ECONNABORTED"),
    "mmap": ("ENOMEM", "EPERM"),
    "munmap": ("ENOMEM",),
    "mprotect": ("ENOMEM",),
    "clone": ("EAGAIN", "ENOMEM", "EPERM"),
    "wait4": ("EINTR", "ECHILD"),
    "poll": ("EINTR", "ENOMEM"),
    "select": ("EINTR", "ENOMEM"),
    "epoll_wait": ("EINTR", "EBADF"),
    "epoll_create1": ("EMFILE", "ENOSYS"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "pipe": ("EMFILE",),
    "execve": ("ENOMEM", "EPERM"),
    "futex": ("EINTR", "EAGAIN"),
    "rt_sigtimedwait": ("EINTR", "EAGAIN"),
    "io_uring_setup": ("EPERM", "ENOSYS"),
    "io_uring_enter": ("EINTR", "EBUSY"),
}
#: Where these fail, something stays that nobody could have given back.
GIVES_BACK = {"close", "munmap", "kill", "tgkill", "wait4", "unlink", "unlinkat", "rmdir"}
#: Calls that are not made to fail. Most cannot, made as the C library makes them: it ignores a
#: failure, or gives up.
SPARED = {
    *("exit", "exit_group", "rt_sigreturn", "restart_syscall", "rt_sigprocmask", "rt_sigaction"),
    *("set_robust_list", "set_tid_address", "rseq", "arch_prctl", "sigaltstack", "sched_yield"),
    # Cannot fail; a process that took -1 for its own number would signal all others.
    *("getpid", "getppid", "gettid"),
    "brk",  # tells where the heap ends, whatever was asked
    "mq_unlink",  # a queue that keeps its name outlives every process, in the way of later ones
}
#: Where a probe says nothing of it, the C library makes it to end threads: a wake-up that does not
#: come through does not happen, and whoever it was for sleeps for ever.
OF_LIBRARY = "futex"


def faults(
    bench: Bench, job: Job, level: int | None, promise: Promise, short: bool = False
) -> Check:
    """Make each distinct call fail: a right number, a named error or a named skip must follow.

    What the promise tolerates is a library's own doing and may fail without a word. ``short``
    injects the first errno only, at the first and a later call.
    """
    try:
        return _faults(bench, job, level, promise, short)
    except CannotTrace as reason:
        return Check(job.at(level), "faults", "skipped", str(reason))


def _faults(bench: Bench, job: Job, level: int | None, promise: Promise, short: bool) -> Check:
    benchmark = job.at(level)
    plain = bench.traced(job, level, OPERATIONS)
    if plain["signal"] == "SIGALRM":  # our own time limit
        said = f"no end within {bench.seconds} s under the tracer: try on an idle machine"
        return Check(benchmark, "faults", "unclear", said, {"timed_out": True})
    if not any("elapsed_ns" in line for line in plain["lines"]):
        return Check(benchmark, "faults", "skipped", outcome(plain["lines"]) or "no answer")
    armed = dict(plain["armed"])
    if OF_LIBRARY not in {*promise.calls, *promise.tolerated}:
        armed.pop(OF_LIBRARY, None)
    outcomes: dict[str, int] = {}
    defects = []
    for call, error, at in plan(armed, short):
        record = bench.traced(job, level, OPERATIONS, fault=(call, getattr(errno, error), at))
        if not record["fault_done"]:
            continue
        kind, defect = judge(record, plain, call, promise.tolerated)
        outcomes[kind] = outcomes.get(kind, 0) + 1
        if defect:
            defects.append(f"{call} {error} at call {at}: {defect}")
    injected = sum(outcomes.values())
    counted = ", ".join(f"{kind} {count}" for kind, count in sorted(outcomes.items()))
    data = {
        "injected": injected,
        "outcomes": outcomes,
        "defects": defects,
        "timed_out": "hang" in outcomes,
    }
    if defects:
        more = f"; {len(defects) - 3} more" if len(defects) > 3 else ""
        return Check(benchmark, "faults", "defect", "; ".join(defects[:3]) + more, data)
    return Check(benchmark, "faults", "ok", f"{injected} injected: {counted or 'none'}", data)


def plan(calls: Mapping[str, int], short: bool) -> Iterator[tuple[str, str, int]]:
    """Which call fails how and when: each errno at its 1st, its 2nd and a later occurrence."""
    for name, count in sorted(calls.items()):
        if name in SPARED:
            continue
        errors = ERRORS.get(SYNONYMS.get(name, name), ("EPERM", "ENOSYS"))
        places = [at for at in (1, 2, max(3, (2 * count) // 3)) if at <= count]
        for error in errors[:1] if short else errors:
            for at in sorted({places[0], places[-1]}) if short else places:
                yield name, error, at


def judge(
    record: Mapping[str, Any],
    plain: Mapping[str, Any],
    call: str,
    tolerated: Collection[str] = (),
) -> tuple[str, str | None]:
    """What followed a fault, and the defect where it should not have."""
    name = SYNONYMS.get(call, call)
    of_library = not {name, call}.isdisjoint(tolerated)
    if record["signal"] is not None:
        return _killed(record["signal"], of_library)
    leak = None if name in GIVES_BACK else _leak(record, plain)
    if leak is not None:
        return "leak", leak
    named = _named(record, plain)
    if named is not None:
        return named, None
    if not any("elapsed_ns" in line for line in record["lines"]):
        return "no answer", f"ends with exit code {record['exit_code']} and no word"
    # A number all the same: right only if the call was made again.
    before, after = (canonical(r["in_loop"]).get(name, 0) for r in (plain, record))
    if record["fault_in_loop"] and after <= before and not of_library:
        return "wrong number", "a number from a failed operation"
    return "right number", None


def _killed(signal: str, of_library: bool) -> tuple[str, str | None]:
    if signal == "SIGALRM":  # our own time limit
        return "hang", "hangs"
    if signal == "SIGABRT" and of_library:  # it looked, and would not go on
        return "library gave up", None
    return "crash", f"dies of {signal}"


def _named(record: Mapping[str, Any], plain: Mapping[str, Any]) -> str | None:
    """What the worker called it, where it did."""
    said = outcome(record["lines"])
    if said is not None:
        return "named skip" if said.startswith("skipped") else "named error"
    refused, before = (sum("limit" in line for line in r["lines"]) for r in (record, plain))
    return "named limit" if refused > before else None


def _leak(record: Mapping[str, Any], plain: Mapping[str, Any]) -> str | None:
    if record["left_over"] > plain["left_over"]:
        return f"leaves {amount(record['left_over'], 'processes')}"
    left = _left(record)
    if left.get("mappings", 0) <= _left(plain).get("mappings", 0):
        left.pop("mappings", None)  # the stacks that a C library keeps for the next threads
    return "leaves " + ", ".join(amount(n, what) for what, n in left.items()) if left else None


def _left(record: Mapping[str, Any]) -> dict[str, int]:
    return next((dict(line["left"]) for line in record["lines"] if "left" in line), {})
