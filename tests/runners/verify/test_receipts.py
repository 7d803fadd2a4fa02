"""Receipts: what is promised, no call more and no call less."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from made_up import Told, job, record, tracing

from runners.counts.traced import CannotTrace
from runners.model.job import Job, Promise
from runners.verify.check import Bench, Check
from runners.verify.receipts import receipts

DUP = Promise({"dup": 1, "close": 1})


def judged(
    promise: Promise,
    calls: Any,
    page_faults: Any = lambda n: 0,
    most: int = 1000,
    level: int | None = None,
    **how: Any,
) -> Check:
    """The check of a loop that makes ``calls(n)`` and ``page_faults(n)`` in each batch."""

    def tell(batches: tuple[int, ...], fault: Any) -> dict[str, Any]:
        assert fault is None
        made: Counter[str] = Counter()
        faults = 0
        for n in (min(n, most) for n in batches):
            made.update(calls(n))
            faults += page_faults(n)
        lines = [{"n": min(batches[-1], most), "elapsed_ns": 1}, {"left": {}}]
        return record(in_loop=dict(made), page_faults=faults, lines=lines)

    return receipts(Told(tell), job(**how), level, promise)


def test_what_was_promised_is_right() -> None:
    check = judged(DUP, lambda n: {"dup": n, "close": n})
    assert (check.verdict, check.detail) == ("ok", "close 1, dup 1")
    assert check.data == {"per_op": {"close": 1, "dup": 1}}
    assert (str(check.benchmark), check.kind) == ("fake", "receipts")


def test_no_call_at_all_is_right_where_none_is_promised() -> None:
    check = judged(Promise(), lambda n: {})
    assert (check.verdict, check.detail) == ("ok", "no system call")


@pytest.mark.parametrize(
    ("calls", "detail"),
    [
        (lambda n: {"dup": n, "close": 2 * n}, "close: 2 instead of 1"),
        (lambda n: {"dup": n}, "close: 0 instead of 1"),
        (lambda n: {"dup": n, "close": n, "read": n}, "read: 1 instead of 0"),
        (lambda n: {"dup": n, "close": n, "read": n // 4}, "read: 0.25 instead of 0"),
        (lambda n: {"dup": n // 2, "close": n}, "dup: 0.5 instead of 1"),
        (lambda n: {}, "close: 0 instead of 1; dup: 0 instead of 1"),
    ],
)
def test_a_call_too_many_or_too_few_is_a_defect(calls: Any, detail: str) -> None:
    check = judged(DUP, calls)
    assert (check.verdict, check.detail) == ("defect", detail)


def test_what_is_done_once_in_a_batch_cancels() -> None:
    check = judged(DUP, lambda n: {"dup": n, "close": n + 1, "read": 3})
    assert (check.verdict, check.detail) == ("ok", "close 1, dup 1")


def test_a_call_that_only_the_smaller_batch_makes_is_seen() -> None:
    check = judged(DUP, lambda n: {"dup": n, "close": n} | ({"read": 4} if n == 4 else {}))
    assert (check.verdict, check.detail) == ("defect", "read: -1 instead of 0")


def test_a_tolerated_call_may_come_and_is_shown() -> None:
    tolerant = Promise(DUP.calls, tolerated=frozenset({"futex"}))
    check = judged(tolerant, lambda n: {"dup": n, "close": n, "futex": n // 4})
    assert (check.verdict, check.detail) == ("ok", "close 1, dup 1, futex 0.25")
    assert judged(tolerant, lambda n: {"dup": n, "close": n}).verdict == "ok"


@pytest.mark.parametrize(
    ("first", "later", "verdict"),
    [
        (0, 4, "defect"),  # all of the first came from a cache
        (2, 4, "defect"),
        (3, 4, "ok"),
        (4, 4, "ok"),
        (0, 1, "ok"),  # now and then
        (0, 2, "defect"),
    ],
)
def test_a_tolerated_call_of_the_later_operations_only_is_a_defect(
    first: int, later: int, verdict: str
) -> None:
    tolerant = Promise(DUP.calls, tolerated=frozenset({"mmap", "futex"}))

    def calls(n: int, call: str = "mmap") -> dict[str, int]:
        return {"dup": n, "close": n, call: first + (later if n == 8 else 0)}

    check = judged(tolerant, calls)
    assert check.verdict == verdict
    if verdict == "defect":
        said = f"mmap: {first / 4:g} an operation at first in a batch, then {later / 4:g}"
        assert check.detail == said
    # Threads that wait for each other do so as often as it happens.
    assert judged(tolerant, lambda n: calls(n, "futex")).verdict == "ok"


def test_a_tolerated_call_that_came_by_chance_is_counted_again() -> None:
    batches: list[int] = []

    def calls(n: int) -> dict[str, int]:
        batches.append(n)
        by_chance = n == 8 and batches.count(8) == 1
        return {"dup": n, "close": n} | ({"brk": 4} if by_chance else {})

    tolerant = Promise(DUP.calls, tolerated=frozenset({"brk"}))
    assert judged(tolerant, calls).verdict == "ok"


def test_a_promise_may_use_any_of_a_calls_names() -> None:
    check = judged(
        Promise({"dup3": 1}, tolerated=frozenset({"ppoll"})), lambda n: {"dup3": n, "poll": 1}
    )
    assert (check.verdict, check.detail) == ("ok", "dup2 1")


def test_synonyms_are_one_call() -> None:
    check = judged(Promise({"clone": 2}), lambda n: {"fork": n, "vfork": n})
    assert (check.verdict, check.detail) == ("ok", "clone 2")


@pytest.mark.parametrize(("per_op", "verdict"), [(1, "ok"), (0, "defect"), (2, "defect")])
def test_promised_page_faults_are_counted(per_op: int, verdict: str) -> None:
    check = judged(Promise(page_faults=1), lambda n: {}, lambda n: 7 + per_op * n)
    assert check.verdict == verdict
    assert f"page faults{':' if verdict == 'defect' else ''} {per_op}" in check.detail


@pytest.mark.parametrize("disturbed_counts", [1, 3])
@pytest.mark.parametrize("more", [-1, 1])
def test_a_page_fault_of_the_systems_own_is_counted_again(disturbed_counts: int, more: int) -> None:
    batches: list[int] = []

    def page_faults(n: int) -> int:
        batches.append(n)
        return n + (more if n == 8 and batches.count(8) <= disturbed_counts else 0)

    check = judged(Promise(page_faults=1), lambda n: {}, page_faults)
    assert (check.verdict, check.detail) == ("ok", "page faults 1")


def test_a_wrong_system_call_is_counted_once_only() -> None:
    batches: list[int] = []

    def calls(n: int) -> dict[str, int]:
        batches.append(n)
        return {"dup": 2 * n, "close": n}

    check = judged(DUP, calls)
    assert (check.verdict, batches) == ("defect", [4, 4, 4, 4, 8])


def test_no_page_fault_can_be_promised() -> None:
    assert judged(Promise(page_faults=0), lambda n: {}, lambda n: n).verdict == "defect"


def test_page_faults_that_nobody_promised_are_nobodys_business() -> None:
    check = judged(Promise(), lambda n: {}, lambda n: 9 * n)
    assert (check.verdict, check.detail) == ("ok", "no system call")


def test_each_member_of_a_team_keeps_the_promise() -> None:
    def calls(n: int) -> dict[str, int]:
        return {"dup": 3 * n, "close": 3 * n}

    team: dict[str, Any] = {"axis": "threads", "axis_kind": "members", "workers": "threads"}
    assert judged(DUP, calls, level=3, **team).verdict == "ok"
    assert judged(DUP, calls, level=2, **team).verdict == "defect"
    assert judged(DUP, calls, members=3, workers="processes").verdict == "ok"
    # A level of a load is no number of members.
    held = {**team, "axis_kind": "load"}
    assert judged(DUP, calls, level=9, members=3, **held).verdict == "ok"
    assert judged(DUP, calls, level=3, axis="open_fds").verdict == "defect"


def test_page_faults_of_a_team_are_those_of_all_its_threads() -> None:
    check = judged(
        Promise(page_faults=2), lambda n: {}, lambda n: 3 * 2 * n, members=3, workers="threads"
    )
    assert (check.verdict, check.detail) == ("ok", "page faults 2")


def test_a_batch_that_cannot_be_doubled_tells_what_it_can() -> None:
    assert judged(DUP, lambda n: {"dup": n, "close": n}, most=5).verdict == "ok"
    check = judged(DUP, lambda n: {"dup": n, "close": n}, most=4)
    assert (check.verdict, check.detail) == ("unclear", "a batch holds a single operation here")


@pytest.mark.parametrize(
    ("ended", "verdict", "detail"),
    [
        ({"lines": [{"skipped": "no kqueue"}]}, "skipped", "skipped: no kqueue"),
        ({"lines": [{"failed": "dup: EBADF"}]}, "defect", "failed: dup: EBADF"),
        (
            {"lines": [{"failed": "dup: EMFILE", "shortage": True}]},
            "skipped",
            "failed: dup: EMFILE",
        ),
        ({"lines": [], "signal": "SIGSEGV"}, "defect", "died of SIGSEGV"),
        (
            {"lines": [], "signal": "SIGALRM"},
            "unclear",
            "no end within 15 s under the tracer: try on an idle machine",
        ),
        ({"lines": [], "exit_code": 3}, "defect", "ended with exit code 3 and no word"),
    ],
)
def test_without_a_number_there_is_nothing_to_count(
    ended: dict[str, Any], verdict: str, detail: str
) -> None:
    check = receipts(Told(lambda batches, fault: record(**ended)), job(), None, DUP)
    assert (check.verdict, check.detail) == (verdict, detail)
    assert check.timed_out == (ended.get("signal") == "SIGALRM")


def test_where_calls_cannot_be_counted_the_check_is_a_named_skip() -> None:
    def forbidden(batches: tuple[int, ...], fault: Any) -> dict[str, Any]:
        raise CannotTrace("the system-call counter cannot work here: Operation not permitted")

    check = receipts(Told(forbidden), job(), None, DUP)
    assert check.verdict == "skipped"
    assert "Operation not permitted" in check.detail


# Planted workloads, really traced


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return tracing(tmp_path)


#: Python's own memory, now and then.
PROMISE = Promise({"getpgid": 1}, tolerated=frozenset({"mmap", "munmap", "brk", "madvise"}))


@pytest.mark.parametrize(
    ("workload", "verdict", "detail"),
    [
        ("Honest", "ok", "getpgid 1"),
        ("OncePerBatch", "ok", "getpgid 1"),
        ("OneMore", "defect", "getpgid: 2 instead of 1"),
        ("Half", "defect", "getpgid: 0.5 instead of 1"),
        ("FromCache", "defect", "madvise: 0 an operation at first in a batch, then 1"),
        ("Twice", "defect", "close: 1 instead of 0"),
        ("Failing", "defect", "failed: getpgid: EIO after 0"),
        ("Unsupported", "skipped", "skipped: no such call here"),
    ],
)
def test_planted_workloads(bench: Bench, workload: str, verdict: str, detail: str) -> None:
    check = receipts(bench, job(workload), None, PROMISE)
    assert check.verdict == verdict, check
    assert check.detail.startswith(detail)


def test_page_faults_of_a_planted_workload(bench: Bench) -> None:
    check = receipts(bench, job("Faulting"), None, Promise(page_faults=1))
    assert (check.verdict, check.detail) == ("ok", "page faults 1")


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_a_team_of_ours_is_marked_in_every_member(bench: Bench, mode: Any) -> None:
    team = Job("fake", "cyext.fd.descriptors:OpenClose", workers=mode, members=3)
    check = receipts(bench, team, None, Promise({"openat": 1, "close": 1}))
    assert (check.verdict, check.detail) == ("ok", "close 1, openat 1")


@pytest.mark.parametrize("image", ["python", "static", "dynamic"])
def test_processes_of_ours_are_marked_whoever_their_parent_is(bench: Bench, image: str) -> None:
    wanted = Promise({"clone": 1, "wait4": 1, "exit_group": 1}, frozenset({"set_robust_list"}))
    check = receipts(
        bench, Job("fake", "cyext.process.parents:ForkExit", {"image": image}), None, wanted
    )
    if check.verdict == "skipped":
        pytest.skip(check.detail)
    assert check.verdict == "ok", check
