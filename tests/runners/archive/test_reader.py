from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from session_files import (
    assert_bad,
    assert_one_sentence,
    assert_printable,
    edit,
    laid_out,
    session,
    without_visits,
)

from runners.archive.bad_file import BadFile
from runners.archive.reader import read, read_environment
from runners.archive.writer import write

# Texts


EVIL = "\x1b[31mred\x9b2J\u202e\a"
LINES = EVIL + "\r\nmicro: all is well"


def test_terminal_escapes_are_neutralised(stored: Path) -> None:
    # pyperf itself refuses texts of several lines, but not inside the JSON that some of them are.
    def spoil(data: Any) -> None:
        data["metadata"]["micro_env_os"] = EVIL
        data["metadata"][f"micro_set_{EVIL}"] = EVIL
        for name in ("micro_without_value", "micro_curves"):
            items = json.loads(data["metadata"][name])
            for item in items:
                item.update(name=LINES, axis=LINES, params={LINES: LINES})
                item.update({key: LINES for key in ("reason", "stopped_by") if key in item})
            data["metadata"][name] = json.dumps(items)
        for number, benchmark in enumerate(data["benchmarks"]):
            point = benchmark["metadata"]
            point.update(micro_reason=EVIL, micro_axis=EVIL, micro_probe=f"{number}{EVIL}")
            point["micro_params"] = json.dumps({LINES: LINES})
            benchmark["runs"][4]["metadata"]["micro_visit_doubt"] = EVIL

    edit(stored, spoil)
    assert_printable(read(stored))


def test_long_texts_are_cut(path: Path) -> None:
    long = session()
    long.results[-1].reason = "x" * 100_000
    write(long, path)
    assert read(path).results[-1].reason == "x" * 500


# Visits left out


def test_visits_can_be_left_out(stored: Path) -> None:
    assert read(stored, visits=False) == without_visits(session())


def test_a_file_of_one_benchmark(path: Path) -> None:
    single = session()
    single.results, single.curves = single.results[:1], []
    write(single, path)
    assert read(path) == single
    assert read(path, visits=False) == without_visits(single)


def test_a_file_of_one_visit(path: Path) -> None:
    short = session()
    short.results = short.results[:1]
    short.results[0].visits = short.results[0].visits[4:5]
    write(short, path)
    assert read(path) == short
    assert read(path, visits=False).results[0].rounds == 0


@pytest.mark.parametrize(
    "text",
    [
        *(',"runs":[', ',"runs":[{', '}]},{"metadata":{', '}]}],"metadata":{', '{"runs":[{}]}'),
        *("\\", "]}]},{", '"', "}"),
    ],
)
def test_no_text_is_taken_for_the_layout(path: Path, text: str) -> None:
    odd = session()
    odd.environment = {"os": text, text: text}
    odd.results[0].params = {text: text, "size": text}
    odd.results[0].reason = odd.results[0].axis = odd.results[-1].reason = text
    odd.results[0].visits = [
        replace(visit, doubt=text if visit.doubt else None) for visit in odd.results[0].visits
    ]
    odd.curves[0].stopped_by = odd.curves[0].axis = text
    write(odd, path)
    assert read(path) == odd
    assert read(path, visits=False) == without_visits(odd)


def test_other_layouts_are_read_as_well(stored: Path) -> None:
    stored.write_text(json.dumps(json.loads(stored.read_text()), indent=2))
    assert read(stored) == session()
    assert read(stored, visits=False) == without_visits(session())


def test_rounds_that_are_not_those_of_the_visits(stored: Path) -> None:
    edit(stored, lambda data: data["metadata"].update(micro_rounds=3))
    assert_bad(stored, "micro_rounds is 3, 9 of 10 runs count")


def test_runs_are_not_looked_at_where_they_are_left_out(stored: Path) -> None:
    data = json.loads(stored.read_text())
    data["benchmarks"][1]["runs"][0]["values"] = ["none"]
    stored.write_text(laid_out(data))
    assert read(stored, visits=False) == without_visits(session())
    with pytest.raises(BadFile, match="no measured time"):
        read(stored)


# The environment alone


@pytest.mark.parametrize("indent", [None, 2])
def test_the_environment_can_be_read_alone(stored: Path, indent: int | None) -> None:
    data = json.loads(stored.read_text())
    stored.write_text(laid_out(data) if indent is None else json.dumps(data, indent=indent))
    assert read_environment(stored) == session().environment


@pytest.mark.parametrize(
    "change", [{"micro_schema": 2}, {"micro_env_os": ["linux"]}, {"micro_env_cpu_count": math.nan}]
)
def test_an_environment_that_is_none(stored: Path, change: dict[str, Any]) -> None:
    data = json.loads(stored.read_text())
    data["metadata"].update(change)
    stored.write_text(laid_out(data))
    with pytest.raises(BadFile, match="not a session of micro") as caught:
        read_environment(stored)
    assert_one_sentence(stored, str(caught.value))


# Counts


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"value": "many"}, "no finite number"),
        ({"low": 2.0}, "outside its own interval"),
        ({"exact": 1}, "neither true nor false"),
        ({"direction": "sideways"}, "direction"),
        ({"rounds": 0}, "no count"),
        ({"unit": 7}, "no text"),
    ],
)
def test_a_count_that_is_none_is_refused(stored: Path, change: dict[str, Any], why: str) -> None:
    def spoil(data: Any) -> None:
        point = data["benchmarks"][0]["metadata"]
        items = json.loads(point["micro_counts"])
        items[0] |= change
        point["micro_counts"] = json.dumps(items)

    edit(stored, spoil)
    with pytest.raises(BadFile, match=why):
        read(stored)


def test_a_file_without_counts_has_none(stored: Path) -> None:
    edit(
        stored,
        lambda data: [b["metadata"].pop("micro_counts", None) for b in data["benchmarks"]],
    )
    assert all(result.counts == () for result in read(stored).results)
