"""Agreement: references and their terms, and what is said of made-up slices of both sides."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import CLEAN, DISTURBED, OWN, Scripted, job, table

from runners.measure.launch import Answer, Launcher, Order
from runners.model.job import Job
from runners.verify import agreement as module
from runners.verify.agreement import (
    BLOCKS,
    LEAST_BLOCKS,
    LEAST_CLEAN,
    MOST_TRIES,
    REFERENCES,
    CannotCompare,
    ReferenceProgram,
    agreement,
    matching,
    reference,
)
from runners.verify.check import Bench, Check

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

# The head of a reference


def head(folder: Path, text: str, name: str = "fd.dup") -> ReferenceProgram | None:
    (folder / f"{name}.c").write_text(text)
    return reference(folder, name)


def test_a_probe_without_a_reference(tmp_path: Path) -> None:
    assert reference(tmp_path, "fd.dup") is None
    assert reference(tmp_path / "missing", "fd.dup") is None


def test_how_near_and_with_which_parameters(tmp_path: Path) -> None:
    found = head(tmp_path, "/* poll; agrees within 3 % at watched=1000, ready=1 */\nint x;\n")
    assert found == ReferenceProgram(
        tmp_path / "fd.dup.c", 0.03, {"watched": "1000", "ready": "1"}, static=False
    )


def test_terms_without_parameters(tmp_path: Path) -> None:
    found = head(tmp_path, "/* it agrees within 10 % */")
    assert found is not None
    assert (found.within, found.given, found.static) == (0.1, {}, False)


@pytest.mark.parametrize(
    "text",
    [
        "/* a loop; agrees\n * within 5 %\n * at size=64 */",
        "/* a loop; agrees within 5 % at\n *\tsize=64\n */",
    ],
)
def test_terms_may_go_over_lines(tmp_path: Path, text: str) -> None:
    found = head(tmp_path, text)
    assert found is not None
    assert (found.within, found.given) == (0.05, {"size": "64"})


@pytest.mark.parametrize(
    ("text", "static"),
    [
        ("agrees within 5 %; linked statically", True),
        ("agrees within 5 %; linked\n * statically", True),
        ("agrees within 5 % at image=static", True),
        ("agrees within 5 % at image=dynamic", False),
    ],
)
def test_linking(tmp_path: Path, text: str, static: bool) -> None:
    found = head(tmp_path, f"/* {text} */")
    assert found is not None
    assert found.static is static


@pytest.mark.parametrize("text", ["", "int main() {}", "/* agrees */", "/* agrees within % */"])
def test_a_reference_without_terms_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape("fd.dup.c does not say how near")):
        head(tmp_path, text)


@given(st.binary(max_size=300))
def test_any_file_has_terms_or_an_error(tmp_path_factory: Any, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.c").write_bytes(data)
    with contextlib.suppress(ValueError):
        found = reference(folder, "any")
        assert found is not None
        assert found.within >= 0


@pytest.mark.parametrize("source", sorted(REFERENCES.glob("*.*.c")), ids=lambda path: path.stem)
def test_every_reference_has_terms(source: Path) -> None:
    found = reference(REFERENCES, source.stem)
    assert found is not None
    assert 0 < found.within <= 0.15


@needs_compiler
@pytest.mark.parametrize("source", sorted(REFERENCES.glob("*.*.c")), ids=lambda path: path.stem)
def test_every_reference_compiles(source: Path, tmp_path: Path) -> None:
    wanted = reference(REFERENCES, source.stem)
    assert wanted is not None
    module._build(wanted, tmp_path / "built")


# Whom it is for

CURVE = Job("fd.x", "k:K", {"size": 64, "how": "plain"}, axis="watched", levels=(1, 10))
OTHER = Job("fd.x", "k:K", {"size": 4096, "how": "plain"}, axis="watched", levels=(1, 10))


def terms(**given_: str) -> ReferenceProgram:
    return ReferenceProgram(Path("fd.x.c"), 0.03, given_, static=False)


def test_a_reference_is_for_the_job_with_its_parameters() -> None:
    assert matching([CURVE, OTHER], terms(size="4096")) == (OTHER, None)
    assert matching([CURVE, OTHER], terms(size="64", watched="1000")) == (CURVE, 1000)
    assert matching([CURVE, OTHER], terms()) == (CURVE, None)


def test_a_reference_for_nobody() -> None:
    assert matching([CURVE, OTHER], terms(size="65")) is None
    assert matching([CURVE, OTHER], terms(colour="red")) is None
    assert matching([Job("a", "k:K")], terms(watched="1000")) is None
    assert matching([], terms()) is None


# What is said


class Program:
    """Stands in for the compiled reference: its slices are made up."""

    def __init__(self, slices: Callable[[], list[int]]) -> None:
        self.slices = slices
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, bench: Bench, program: Path, *asked: Any) -> list[int]:
        self.asked.append(asked)
        return self.slices()


def judged(
    monkeypatch: pytest.MonkeyPatch,
    ratios: list[float],
    *,
    ours: list[int] = OWN,
    theirs: list[int] = OWN,
    slow: float = 1.0,
    within: float = 0.03,
) -> tuple[Check, Scripted, Program]:
    """The check of a probe and a loop whose medians have these ratios, block by block, in turns.

    ``ours`` and ``theirs`` are their sentinels; ``slow`` is how much slower our clock is.
    """
    blocks = iter(ratios * (MOST_TRIES * BLOCKS))
    sense = [round(each * slow) for each in ours]

    def visit(order: Order) -> Answer:
        elapsed = 300_000 * next(blocks) * slow
        line = {"level": 10, "batch": 77, "slices": table([elapsed] * 15, sense)}
        return Answer([line, {"done": True}])

    program = Program(lambda: table([300_000] * 40, theirs))
    monkeypatch.setattr(module, "_build", lambda wanted, path: None)
    monkeypatch.setattr(module, "_run", program)
    launcher = Scripted(visit=visit)
    wanted = ReferenceProgram(Path("fd.x.c"), within, {}, static=False)
    return agreement(Bench(launcher, (3, 5), CLEAN), CURVE, 10, wanted), launcher, program


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([1.0], "ok"),
        ([1.02, 1.025], "ok"),
        ([0.975], "ok"),
        ([1.05], "defect"),
        ([0.94], "defect"),
        # The median is too far off, but its interval is not: neither shown nor refuted.
        ([0.9, 1.2, 1.2, 0.9, 1.1], "unclear"),
        ([0.9, 1.0, 1.1], "ok"),
    ],
)
def test_the_median_ratio_is_held_to_the_terms(
    monkeypatch: pytest.MonkeyPatch, ratios: list[float], verdict: str
) -> None:
    check, launcher, program = judged(monkeypatch, ratios)
    assert (check.kind, check.verdict) == ("agreement", verdict), check
    assert str(check.benchmark) == "fd.x[size=64,how=plain,watched=10]"
    assert check.data["low"] <= check.data["ratio"] <= check.data["high"]
    assert "within 3% asked" in check.detail
    assert len(launcher.orders) == len(program.asked) == BLOCKS


def test_terms_are_the_references_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(monkeypatch, [1.05], within=0.05 + 1e-9)[0].verdict == "ok"


def test_both_sides_do_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    _, launcher, program = judged(monkeypatch, [1.0])
    assert program.asked[0] == (CURVE, 10, 77)
    assert launcher.orders[0].batch == {}
    assert launcher.orders[0].levels == (10,)
    assert launcher.orders[0].clean_ratio == CLEAN.ratio
    # The batch stays as it was calibrated at first.
    assert all(order.batch == {10: 77} for order in launcher.orders[1:])


def test_each_side_is_scaled_to_the_best_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    check, _, _ = judged(monkeypatch, [1.0], slow=1.2)
    assert check.data["ratio"] == pytest.approx(1.0, rel=0.001)


@pytest.mark.parametrize("dirty", ["ours", "theirs"])
def test_on_a_core_that_is_never_ours_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, dirty: Any
) -> None:
    check, launcher, _ = judged(monkeypatch, [1.5], **{dirty: DISTURBED})
    assert (check.verdict, check.detail) == (
        "unclear",
        "only 0 comparisons on a core of our own",
    )
    assert len(launcher.orders) == MOST_TRIES * BLOCKS


@pytest.mark.parametrize(
    ("every", "blocks", "verdict"), [(4, 15, "ok"), (10, 6, "ok"), (11, 5, "unclear")]
)
def test_a_few_blocks_on_a_core_of_our_own_are_enough(
    monkeypatch: pytest.MonkeyPatch, every: int, blocks: int, verdict: str
) -> None:
    assert blocks >= LEAST_BLOCKS or verdict == "unclear"
    turns = itertools.count(1)
    sometimes = Program(lambda: table([300_000] * 40, DISTURBED if next(turns) % every else OWN))
    monkeypatch.setattr(module, "_build", lambda wanted, path: None)
    monkeypatch.setattr(module, "_run", sometimes)
    line = {"level": None, "batch": 7, "slices": table([300_000] * 15)}
    launcher = Scripted(visit=lambda order: Answer([line]))
    check = agreement(Bench(launcher, (0,), CLEAN), job(), None, terms())
    assert check.verdict == verdict
    assert len(sometimes.asked) == 60
    if verdict == "unclear":
        assert check.detail == f"only {blocks} comparisons on a core of our own"


@pytest.mark.parametrize(("own", "verdict"), [(LEAST_CLEAN - 1, "unclear"), (LEAST_CLEAN, "ok")])
def test_a_visit_with_hardly_a_clean_slice_is_no_block(
    monkeypatch: pytest.MonkeyPatch, own: int, verdict: str
) -> None:
    monkeypatch.setattr(module, "_build", lambda wanted, path: None)
    monkeypatch.setattr(module, "_run", Program(lambda: table([300_000] * 40)))
    slices = table([300_000] * own) + table([600_000] * (15 - own), DISTURBED)
    line = {"level": None, "batch": 7, "slices": slices}
    launcher = Scripted(visit=lambda order: Answer([line]))
    assert agreement(Bench(launcher, (0,), CLEAN), job(), None, terms()).verdict == verdict


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (Answer([{"skipped": "no kqueue"}]), "skipped: no kqueue"),
        (Answer([{"failed": "poll: EIO"}]), "failed: poll: EIO"),
        (Answer([], "crashed: SIGSEGV"), "crashed: SIGSEGV"),
        (Answer([]), "no answer"),
    ],
)
def test_a_probe_without_a_number_is_a_named_skip(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, detail: str
) -> None:
    monkeypatch.setattr(module, "_build", lambda wanted, path: None)
    check = agreement(Bench(Scripted(visit=lambda _: answer), (0,), CLEAN), job(), None, terms())
    assert (check.verdict, check.detail) == ("skipped", detail)


def test_a_reference_program_lies_where_the_next_session_tidies_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built: list[Path] = []
    monkeypatch.setattr(module, "_build", lambda wanted, path: built.append(path))
    launcher = Scripted(visit=lambda _: Answer([]))
    launcher.scratch = tmp_path
    agreement(Bench(launcher, (0,), CLEAN), job(), None, terms())
    assert [path.parent.parent for path in built] == [tmp_path]
    assert list(tmp_path.iterdir()) == []


# Reference programs, really built


def program(folder: Path, text: str) -> ReferenceProgram:
    (folder / "fd.x.c").write_text("/* agrees within 3 % */\n" + text)
    found = reference(folder, "fd.x")
    assert found is not None
    return found


def compared(tmp_path: Path, text: str) -> Check:
    line = {"level": None, "batch": 7, "slices": table([300_000] * 15)}
    launcher = Scripted(visit=lambda order: Answer([line]))
    return agreement(Bench(launcher, (0,), None), job(), None, program(tmp_path, text))


@needs_compiler
def test_a_program_tells_its_slices(tmp_path: Path) -> None:
    text = """
    #include <stdio.h>
    #include <stdlib.h>
    int main(int argc, char **argv)
    {
        for (int i = 0; i < atoi(argv[2]); i++)
            printf("%d 6000 7500 6000 7500 -1\\n", argc == 4 ? 100000 * atoi(argv[1]) : 0);
        return 0;
    }
    """
    check = compared(tmp_path, text)
    assert (check.verdict, check.data["ratio"]) == ("defect", pytest.approx(3 / 7))


@needs_compiler
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("int main(void) { return }", "the reference program does not compile here"),
        ("int main(void) { return 3; }", "the reference program fails: exit code 3"),
        (
            "#include <stdlib.h>\nint main(void) { abort(); }",
            "the reference program fails: exit code 134",
        ),
    ],
)
def test_a_program_that_does_not_work_is_a_named_skip(
    tmp_path: Path, text: str, detail: str
) -> None:
    check = compared(tmp_path, text)
    assert (check.verdict, check.detail) == ("skipped", detail)


def test_without_a_compiler_the_check_is_a_named_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compared(tmp_path, "int main(void) { return 0; }").detail == "no C compiler here"


@needs_compiler
def test_parameters_and_level_reach_the_program(tmp_path: Path) -> None:
    text = """
    #include <string.h>
    int main(int argc, char **argv)
    {
        return !(argc == 7 && !strcmp(argv[3], "5") && !strcmp(argv[4], "size=64")
                 && !strcmp(argv[5], "how=plain") && !strcmp(argv[6], "level=10"));
    }
    """
    wanted = program(tmp_path, text)
    built = tmp_path / "built"
    module._build(wanted, built)
    bench = Bench(Launcher(tmp_path), (5,), None)
    assert module._run(bench, built, CURVE, 10, 7) == []
    with pytest.raises(CannotCompare):
        module._run(bench, built, CURVE, None, 7)
