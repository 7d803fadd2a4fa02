"""Faults: which are planned, and what is a defect in what follows them."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import Told, job, record, tracing

from runners.counts.calls import SYNONYMS, canonical
from runners.counts.traced import CannotTrace
from runners.model.job import Job, Promise
from runners.verify.check import Bench
from runners.verify.faults import ERRORS, GIVES_BACK, SPARED, faults, judge, plan

counts = st.dictionaries(
    st.sampled_from([*ERRORS, *SYNONYMS, *SPARED, "getpgid", "call 977"]), st.integers(1, 10_000)
)


# What is planned


def test_each_errno_at_the_first_the_second_and_a_later_call() -> None:
    assert list(plan({"openat": 9}, short=False)) == [
        ("openat", error, at) for error in ("EMFILE", "EINTR", "ENOMEM") for at in (1, 2, 6)
    ]


def test_few_calls_have_few_places() -> None:
    assert list(plan({"munmap": 1}, False)) == [("munmap", "ENOMEM", 1)]
    assert [at for _, _, at in plan({"munmap": 2}, False)] == [1, 2]
    assert [at for _, _, at in plan({"munmap": 3}, False)] == [1, 2, 3]


def test_the_short_form_injects_one_errno_at_two_places() -> None:
    assert list(plan({"openat": 9, "munmap": 2}, short=True)) == [
        ("munmap", "ENOMEM", 1),
        ("munmap", "ENOMEM", 2),
        ("openat", "EMFILE", 1),
        ("openat", "EMFILE", 6),
    ]


def test_a_call_without_errors_of_its_own_fails_with_common_ones() -> None:
    assert {error for _, error, _ in plan({"getpgid": 1}, False)} == {"EPERM", "ENOSYS"}


def test_a_call_fails_like_its_synonym() -> None:
    names = {error for _, error, _ in plan({"vfork": 1}, False)}
    assert names == set(ERRORS["clone"])


def test_what_cannot_fail_or_has_no_name_is_spared() -> None:
    assert list(plan({"exit_group": 5, "rt_sigprocmask": 1}, False)) == []
    # A call newer than the header that names them is disturbed like any other.
    assert {name for name, _, _ in plan({"call 977": 5}, False)} == {"call 977"}


@given(counts, st.booleans())
def test_every_fault_of_a_plan_can_happen(calls: dict[str, int], short: bool) -> None:
    planned = list(plan(calls, short))
    assert len(set(planned)) == len(planned)
    for name, error, at in planned:
        assert 1 <= at <= calls[name]
        assert getattr(errno, error) > 0
        assert name not in SPARED
    planned_names = {name for name, _, _ in planned}
    assert planned_names == {n for n in calls if n not in SPARED}
    assert set(planned) >= set(plan(calls, True))


@given(counts)
def test_canonical_counts_lose_no_call(calls: dict[str, int]) -> None:
    merged = canonical(calls)
    assert sum(merged.values()) == sum(calls.values())
    assert not set(merged) & set(SYNONYMS)


# What is judged

PLAIN = record(in_loop={"openat": 2, "close": 2})
NAMED = [{"failed": "openat: EMFILE after 1"}, {"left": {}}]


def verdict(call: str = "openat", tolerated: tuple[str, ...] = (), **what: Any) -> Any:
    return judge(record(**what), PLAIN, call, tolerated)


def test_a_named_error_is_right() -> None:
    assert verdict(lines=NAMED) == ("named error", None)


def test_a_named_skip_is_right() -> None:
    assert verdict(lines=[{"skipped": "no io_uring"}, {"left": {}}]) == ("named skip", None)


def test_a_number_from_a_call_that_was_made_again_is_right() -> None:
    assert verdict(in_loop={"openat": 3, "close": 2}) == ("right number", None)
    assert judge(record(in_loop={"poll": 3}), record(in_loop={"ppoll": 2}), "ppoll", ()) == (
        "right number",
        None,
    )


@pytest.mark.parametrize("in_loop", [{"openat": 2, "close": 2}, {"openat": 1}, {}])
def test_a_number_from_a_failed_call_is_a_defect(in_loop: dict[str, int]) -> None:
    assert verdict(in_loop=in_loop) == ("wrong number", "a number from a failed operation")


def test_a_failure_outside_the_loop_may_be_got_over() -> None:
    assert verdict(fault_in_loop=False, in_loop=PLAIN["in_loop"]) == ("right number", None)


@pytest.mark.parametrize(("call", "tolerated"), [("clone3", "clone"), ("clone3", "clone3")])
def test_what_is_tolerated_may_fail_without_a_word(call: str, tolerated: str) -> None:
    assert verdict(call)[0] == "wrong number"
    assert verdict(call, (tolerated,)) == ("right number", None)
    assert verdict(call, ("futex",))[0] == "wrong number"


def test_a_hang_and_a_crash_are_defects() -> None:
    assert verdict(signal="SIGALRM", lines=[]) == ("hang", "hangs")
    assert verdict(signal="SIGSEGV", lines=NAMED) == ("crash", "dies of SIGSEGV")


def test_a_first_run_that_finds_no_end_in_time_is_tried_again_and_no_skip() -> None:
    bench = Told(lambda batches, fault: record(lines=[], signal="SIGALRM"))
    found = faults(bench, job(), None, Promise({"openat": 1}))
    assert (found.verdict, found.data["timed_out"]) == ("unclear", True)


def test_only_a_library_may_give_up() -> None:
    assert verdict(signal="SIGABRT", lines=[]) == ("crash", "dies of SIGABRT")
    assert verdict(tolerated=("openat",), signal="SIGABRT", lines=[]) == ("library gave up", None)
    assert verdict(tolerated=("openat",), signal="SIGSEGV", lines=[])[0] == "crash"


def test_a_limit_that_the_fault_brought_is_a_word_and_no_other() -> None:
    limited = [{"limit": {"reached": 1, "reason": "openat: EMFILE"}}, *PLAIN["lines"]]
    assert verdict(lines=limited) == ("named limit", None)
    undisturbed = record(in_loop=PLAIN["in_loop"], lines=limited)
    assert judge(undisturbed, undisturbed, "openat")[0] == "wrong number"


def test_no_word_is_a_defect() -> None:
    assert verdict(lines=[{"left": {}}], exit_code=3) == (
        "no answer",
        "ends with exit code 3 and no word",
    )


def test_a_leak_is_a_defect_even_beside_a_named_error() -> None:
    lines = [NAMED[0], {"left": {"descriptors": 2, "children": 1}}]
    assert verdict(lines=lines) == ("leak", "leaves 2 descriptors, 1 children")
    assert verdict(lines=NAMED, left_over=1) == ("leak", "leaves 1 process")


def test_what_was_left_without_a_fault_too_is_not_the_faults() -> None:
    plain = record(left_over=1)
    assert judge(record(lines=NAMED, left_over=1), plain, "openat")[0] == "named error"
    assert judge(record(lines=NAMED, left_over=2), plain, "openat")[0] == "leak"


def test_stacks_that_the_c_library_keeps_are_no_leak() -> None:
    def kept(mappings: int) -> list[dict[str, Any]]:
        return [NAMED[0], {"left": {"mappings": mappings}}]

    plain = record(lines=[{"n": 2, "elapsed_ns": 5}, {"left": {"mappings": 64}}])
    assert judge(record(lines=kept(64)), plain, "clone3") == ("named error", None)
    assert judge(record(lines=kept(65)), plain, "clone3") == ("leak", "leaves 65 mappings")
    assert judge(record(lines=kept(17)), record(), "clone3") == ("leak", "leaves 17 mappings")


@pytest.mark.parametrize("call", sorted({*GIVES_BACK, "waitid"}))
def test_where_giving_back_fails_something_stays(call: str) -> None:
    lines = [NAMED[0], {"left": {"descriptors": 1}}]
    assert verdict(call, lines=lines) == ("named error", None)


outcomes = st.fixed_dictionaries(
    {},
    optional={
        "in_loop": counts,
        "fault_in_loop": st.booleans(),
        "signal": st.sampled_from([None, "SIGALRM", "SIGSEGV"]),
        "left_over": st.integers(0, 2),
        "lines": st.lists(
            st.sampled_from(
                [
                    {"failed": "x"},
                    {"skipped": "x"},
                    {"n": 2, "elapsed_ns": 1},
                    {"left": {}},
                    {"left": {"files": 1}},
                ]
            )
        ),
    },
)


@given(outcomes, st.sampled_from(sorted({*ERRORS, *GIVES_BACK, "getpgid"})))
def test_exactly_three_outcomes_are_no_defect(what: dict[str, Any], call: str) -> None:
    kind, defect = judge(record(**what), PLAIN, call)
    assert (defect is None) == (kind in ("named error", "named skip", "right number"))


# The check


def told(fault_done: Any = lambda at: True, outcome: Any = lambda at: NAMED, **calls: int) -> Bench:
    def tell(n: int, fault: Any) -> dict[str, Any]:
        if fault is None:
            return record(in_loop=calls, armed=calls)
        at = fault[2]
        return record(in_loop=calls, lines=outcome(at), fault_done=fault_done(at))

    return Told(tell)


def test_faults_and_their_outcomes_are_counted() -> None:
    check = faults(told(openat=9, close=2), job(), None, Promise())
    assert (check.verdict, check.kind) == ("ok", "faults")
    assert check.detail == "13 injected: named error 13"
    assert check.data["injected"] == 13
    assert check.data["outcomes"] == {"named error": 13}


def test_a_fault_that_did_not_happen_is_not_counted() -> None:
    check = faults(told(lambda at: at == 1, munmap=3), job(), None, Promise())
    assert check.detail == "1 injected: named error 1"


def test_a_library_s_own_futex_is_spared_where_the_probe_says_nothing_of_it() -> None:
    def injected(promise: Promise) -> int:
        return int(faults(told(futex=3), job(), None, promise).data["injected"])

    assert injected(Promise({"read": 1})) == 0
    assert injected(Promise({"futex": 1})) == 6
    assert injected(Promise(tolerated=frozenset({"futex"}))) == 6


def test_a_probe_without_calls_has_no_faults() -> None:
    check = faults(told(), job(), None, Promise())
    assert (check.verdict, check.detail) == ("ok", "0 injected: none")


def test_one_wrong_outcome_is_a_defect_that_says_where() -> None:
    number = [{"n": 2, "elapsed_ns": 1}, {"left": {}}]
    bench = told(outcome=lambda at: number if at == 2 else NAMED, munmap=3)
    check = faults(bench, job(), None, Promise())
    assert check.verdict == "defect"
    assert check.detail == "munmap ENOMEM at call 2: a number from a failed operation"
    assert check.data["outcomes"] == {"named error": 2, "wrong number": 1}
    # A call that is tolerated is the library's own affair.
    assert faults(bench, job(), None, Promise(tolerated=frozenset({"munmap"}))).verdict == "ok"


def test_a_hang_is_known_to_be_one() -> None:
    def tell(n: int, fault: Any) -> dict[str, Any]:
        plain = record(in_loop={"openat": 1}, armed={"openat": 1})
        return record(signal="SIGALRM") if fault else plain

    assert faults(Told(tell), job(), None, Promise()).timed_out
    assert not faults(told(outcome=lambda at: [], openat=1), job(), None, Promise()).timed_out


def test_many_defects_are_told_in_short_and_kept_in_full() -> None:
    check = faults(told(outcome=lambda at: [], openat=9), job(), None, Promise())
    assert check.detail.count("no word") == 3
    assert check.detail.endswith("; 6 more")
    assert len(check.data["defects"]) == 9


def test_a_probe_that_does_not_run_undisturbed_is_skipped() -> None:
    lines = [{"skipped": "no kqueue"}]
    check = faults(Told(lambda n, fault: record(lines=lines)), job(), None, Promise())
    assert (check.verdict, check.detail) == ("skipped", "skipped: no kqueue")


@pytest.mark.parametrize("first", [True, False])
def test_where_calls_cannot_be_made_to_fail_the_check_is_a_named_skip(first: bool) -> None:
    def tell(n: int, fault: Any) -> dict[str, Any]:
        if first or fault:
            raise CannotTrace("not permitted")
        return record(armed={"openat": 1})

    check = faults(Told(tell), job(), None, Promise())
    assert (check.verdict, check.detail) == ("skipped", "not permitted")


# Planted workloads, really traced


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return tracing(tmp_path)


PROMISE = Promise({"getpgid": 1})


@pytest.mark.parametrize(
    ("workload", "kind", "defect"),
    [
        ("Honest", "named error", None),
        ("Persistent", "right number", None),
        ("Ignorant", "wrong number", "a number from a failed operation"),
        ("Hanging", "hang", "hangs"),
        ("Crashing", "crash", "dies of SIGSEGV"),
        ("Mute", "no answer", "ends with exit code 3 and no word"),
        ("Leaking", "leak", "leaves 1 descriptor"),
        ("Bearing", "leak", "leaves 1 process"),
    ],
)
def test_planted_workloads(bench: Bench, workload: str, kind: str, defect: str | None) -> None:
    check = faults(bench, job(workload), None, PROMISE, short=True)
    planted = [text for text in check.data["defects"] if text.startswith("getpgid")]
    assert check.data["outcomes"][kind] >= 2, check
    assert planted == ([f"getpgid EPERM at call {at}: {defect}" for at in (1, 2)] if defect else [])
    assert check.verdict == ("defect" if defect else "ok"), check


def test_a_workload_of_ours_has_no_defect(bench: Bench) -> None:
    ours = Job("fake", "cyext.fd.descriptors:OpenClose")
    check = faults(bench, ours, None, Promise({"openat": 1, "close": 1}), short=True)
    assert check.verdict == "ok", check
    assert check.data["injected"] >= 4
