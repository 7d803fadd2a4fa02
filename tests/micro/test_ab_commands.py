"""`micro ab` from end to end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from micro_process import Inside, Micro

SIDE = """[ "$1" = --version ] && echo micro 1.0 && exit
echo '{{"results": [{{"name": "a.x", "params": {{}}, "value": {value}}}]}}'
"""


def test_two_ways_to_run_are_compared(micro: Micro, tmp_path: Path) -> None:
    for name, value in (("a", 1e-6), ("b", 1.5e-6)):
        (tmp_path / name).write_text(SIDE.format(value=value))
    sides = {name: f"sh '{tmp_path / name}'" for name in "ab"}
    done = micro("ab", "a.x", "--a", sides["a"], "--b", sides["b"], "--json")
    (difference,) = json.loads(done.stdout)["differences"]
    assert done.returncode == 3
    assert difference["ratio"] == pytest.approx(0.5)
    assert difference["verdict"] == "B is slower"
    assert difference["b_s"] == pytest.approx(1.5 * difference["a_s"])
    swapped = micro("ab", "a.x", "--a", sides["b"], "--b", sides["a"])
    assert swapped.returncode == 0
    assert swapped.stdout.splitlines()[:2] == [f"A: {sides['b']}", f"B: {sides['a']}"]


def test_a_side_that_does_not_measure_is_named(micro: Micro, tmp_path: Path) -> None:
    side = tmp_path / "side"
    side.write_text('[ "$1" = --version ] && echo micro 1.0 && exit\necho no >&2; exit 9')
    done = micro("ab", "a.x", "--a", f"sh '{side}'", "--b", f"sh '{side}'")
    assert done.returncode == 1
    assert "ended with exit code 9: no" in done.stderr


def test_what_only_one_side_measures_is_told_and_is_a_failure(micro: Micro, tmp_path: Path) -> None:
    def result(name: str, value: float | None, status: str = "ok", reason: str = "") -> Any:
        return {"name": name, "params": {}, "value": value, "status": status, "reason": reason}

    both = [result("a.x", 1e-6), result("a.w", None, "skipped", "this system has no kqueue")]
    for side, other in (
        ("a", [result("a.y", 1e-6), result("a.z", 1e-6)]),
        ("b", [result("a.y", None, "failed", "crashed: SIGSEGV")]),
    ):
        document = json.dumps({"results": [*both, *other]})
        (tmp_path / side).write_text(
            f"case \"$*\" in *--version*) echo 'micro 0';; *) echo '{document}';; esac\n"
        )
    sides = {name: f"sh '{tmp_path / name}'" for name in "ab"}
    done = micro("ab", "a", "--a", sides["a"], "--b", sides["b"], "--json")
    assert done.returncode == 1
    assert [found["benchmark"] for found in json.loads(done.stdout)["differences"]] == ["a.x"]
    assert "a.y is not compared: B: failed: crashed: SIGSEGV" in done.stderr
    assert "a.z is not compared: not in all runs of both sides" in done.stderr
    assert "a.w" not in done.stderr


def test_what_a_side_takes_for_wrong_usage_is_told_as_such(micro: Micro) -> None:
    command = f"{sys.executable} -m micro"
    done = micro("ab", "fd.opne_close", "--a", command, "--b", command)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1].startswith("micro: error: --")
    assert ": no probe matches 'fd.opne_close'" in done.stderr


def test_sides_that_may_write_no_byte_say_which_limit(micro: Micro) -> None:
    done = micro("ab", "a.x", "--a", "true", "--b", "true", weather=["limit=FSIZE:0"])
    assert (done.returncode, "RLIMIT_FSIZE is 0" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("false", "does not start micro"),
        ("true", "does not start micro"),
        ("head -c 1000 /dev/urandom", "does not start micro"),
        ("sh -c 'head -c 1000 /dev/urandom'", "does not start micro"),
        ("/no/such", "/no/such: No such file or directory"),
        ("/dev/null", "/dev/null: Permission denied"),
        ("yes micro", "does not start micro"),
        ("'", "No closing quotation"),
        ("", "--b is empty"),
    ],
)
def test_a_command_that_is_no_micro_is_told_before_measuring(
    command: str, expected: str, micro: Micro
) -> None:
    fine = f"{sys.executable} -m micro"
    done = micro("ab", "cpu.chain", "--a", fine, "--b", command)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "--b" in done.stderr
    assert "block 1" not in done.stderr


def test_fewer_blocks_than_prove_anything_are_refused(inside: Inside) -> None:
    assert inside("ab", "a.x", "--a", "true", "--b", "true", "--blocks", "3").returncode == 2
