"""The gate's verdicts for build servers: annotations, JUnit, Bencher, github-action-benchmark."""

from __future__ import annotations

import importlib
import io
import json
import math
from typing import Any

from micro.app.comparing import Outcome, told
from micro.errors import UsageError
from micro.reports import printable
from micro.reports.insights.verdicts import (
    causes,
    change_words,
    differences,
    entries,
    failures,
    headline,
    label,
    sentences,
)
from runners.gate.judge import Judgement
from runners.model.benchmark import Benchmark

#: GitHub shows ten annotations a step and drops the others.
MOST_ANNOTATIONS = 10


def workflow_commands(outcome: Outcome) -> list[str]:
    """GitHub's workflow commands: an error a failure or regression, a warning a suspect or none."""
    lines = [
        f"::error title=micro::{_escaped(f'{benchmark} {reason}')}"
        for benchmark, reason in failures(outcome).items()
    ]
    if outcome.used and outcome.mostly_undecided:
        lines.append(f"::warning title=micro::{_escaped(headline(outcome))}")
    for entry in entries(outcome.judgements):
        if entry.verdict in ("regressed", "suspect"):
            kind = "error" if any(map(outcome.fails, entry.judgements)) else "warning"
            why_slower = causes(outcome, entry.largest)
            texts = (entry.change, entry.figures, entry.reason, why_slower)
            told = "; ".join(text for text in texts if text)
            text = f"{entry.name} {entry.verdict}: {told}"
            lines.append(f"::{kind} title=micro::{_escaped(text)}")
    if len(lines) > MOST_ANNOTATIONS:
        left = len(lines) - MOST_ANNOTATIONS + 1
        lines[MOST_ANNOTATIONS - 1 :] = [f"::warning title=micro::and {left} more"]
    return lines


def _escaped(text: str) -> str:
    return printable(text).replace("%", "%25")


def junit_library() -> Any:
    """The package junitparser. Raises `UsageError` where it is not installed."""
    try:
        return importlib.import_module("junitparser")
    except ImportError:
        raise UsageError("--junit takes junitparser: pip install 'osmicro[ci]'") from None


def junit(outcome: Outcome) -> bytes:
    """A JUnit file: a case a benchmark; regressed ones fail, undecided ones are skipped.

    What could not be measured is an error.

    Raises `UsageError` where junitparser is not installed.
    """
    xml = junit_library()
    suite = xml.TestSuite("micro")
    failed = failures(outcome)
    for benchmark, reason in failed.items():
        case = xml.TestCase(printable(str(benchmark)), classname=_group(benchmark))
        case.result = [xml.Error(printable(reason))]
        suite.add_testcase(case)
    for judgement in filter(_is_case, outcome.judgements):
        if judgement.verdict == "missing" and not failed.keys().isdisjoint(
            (judgement.benchmark, judgement.benchmark.curve)
        ):
            continue
        group = _group(judgement.benchmark)
        case = xml.TestCase(printable(label(judgement)), classname=group)
        texts = (change_words(judgement), judgement.why, causes(outcome, judgement))
        told = [text for text in texts if text]
        text = printable(f"{judgement.verdict}: {'; '.join(told)}")
        if outcome.fails(judgement):
            case.result = [xml.Failure(text)]
        elif judgement.verdict not in ("unchanged", "within noise", "improved"):
            case.result = [xml.Skipped(text)]
        case.system_out = text
        suite.add_testcase(case)
    summary = " ".join((headline(outcome), *sentences(outcome)))
    suite.add_property("summary", printable(summary))
    report = xml.JUnitXml("micro")
    report.add_testsuite(suite)
    file = io.BytesIO()
    report.write(file)
    return file.getvalue()


def _group(benchmark: Benchmark) -> str:
    return printable(f"micro.{benchmark.probe}")


def _is_case(judgement: Judgement) -> bool:
    return judgement.kind == "point" or told(judgement)


def bencher(outcome: Outcome) -> str:
    """Bencher Metric Format: nanoseconds with their interval."""
    found: dict[str, Any] = {}
    for benchmark, figure in outcome.current.sample.figures.items():
        value_ns, half = _nanoseconds(figure.log_s), 1.96 * figure.error
        found[str(benchmark)] = {
            "latency": {
                "value": value_ns,
                "lower_value": _nanoseconds(figure.log_s - half),
                "upper_value": _nanoseconds(figure.log_s + half),
            }
        }
    return json.dumps(found, indent=1)


def github_action_benchmark(outcome: Outcome) -> str:
    """What github-action-benchmark calls customSmallerIsBetter."""
    verdicts = {j.benchmark: j for j in outcome.judgements if j.kind == "point"}
    found = []
    for benchmark, figure in outcome.current.sample.figures.items():
        entry = {
            "name": str(benchmark),
            "unit": "ns",
            "value": _nanoseconds(figure.log_s),
            "range": f"± {1.96 * figure.error:.1%}" if figure.error else "–",
        }
        if benchmark in verdicts:
            verdict = verdicts[benchmark]
            entry["extra"] = f"{verdict.verdict}: {verdict.why}"
        found.append(entry)
    return json.dumps(found, indent=1)


def _nanoseconds(log_s: float) -> float:
    return float(f"{math.exp(log_s) * 1e9:.6g}")


def document(outcome: Outcome) -> dict[str, Any]:
    """The outcome as one JSON object: schema 1."""
    return {
        "schema": 1,
        "headline": headline(outcome),
        "sessions": len(outcome.used),
        "judged_sessions": len(outcome.current.sessions),
        "counts": dict(outcome.counts),
        "advisory": outcome.advisory,
        "differences": differences(outcome),
        "judgements": [_plain(outcome, j) for j in outcome.judgements if _is_case(j)],
    }


def _plain(outcome: Outcome, judgement: Judgement) -> dict[str, Any]:
    return {
        "benchmark": str(judgement.benchmark),
        "kind": judgement.kind,
        "verdict": judgement.verdict,
        "why": judgement.why,
        "lacks": judgement.lacks,
        "effect": judgement.effect,
        "interval": list(judgement.interval) if judgement.interval else None,
        "p": judgement.p,
        "q": judgement.q,
        "detectable": judgement.detectable,
        "sessions": judgement.sessions,
        "before": judgement.before_s,
        "now": judgement.now_s,
        "unit": "s",
        "functions": causes(outcome, judgement) or None,
    }
