"""What is stored, and names that people try first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from micro_process import Inside, Micro

from micro.probes.catalogue import UnknownProbe, select
from runners.machine import environment

STORED = sorted((Path(__file__).parents[2] / "baselines" / "linux-x86_64-2cpu").iterdir())


def stored(micro: Micro, key: str) -> list[Path]:
    folder = micro.home / "state" / "micro" / "sessions" / key
    folder.mkdir(parents=True)
    return [Path(shutil.copy(path, folder)) for path in STORED[:2]]


def test_sessions_are_listed_the_newest_last(micro: Micro, inside: Inside) -> None:
    first, last = stored(micro, "linux-x86_64-2cpu")
    lines = inside("sessions").stdout.splitlines()
    assert lines[1].strip() == str(first)
    assert lines[-1].strip() == str(last)
    assert lines[0].startswith("2026-11-22 04:06:40 UTC  linux 6.18.44")
    entries = json.loads(inside("sessions", "--json").stdout)["sessions"]
    assert [entry["file"] for entry in entries] == [str(first), str(last)]


def test_a_damaged_file_is_named_among_the_others(micro: Micro, inside: Inside) -> None:
    first, last = stored(micro, "linux-x86_64-2cpu")
    first.write_bytes(b"damaged")
    text = inside("sessions").stdout
    assert f"{first}: " in text
    assert str(last) in text


def test_nothing_stored_says_what_to_do(inside: Inside) -> None:
    done = inside("sessions")
    assert done.returncode == 0
    assert "run `micro all`" in done.stderr


def test_show_without_a_file_is_the_newest_of_this_machine(micro: Micro, inside: Inside) -> None:
    assert "run `micro all`" in inside("show").stderr
    _, last = stored(micro, environment.key(environment.describe()))
    assert inside("show").stdout == inside("show", last).stdout


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("fork", "process.fork_exit"),
        ("lat_syscall", "fd.open_close (lat_syscall open)"),
        ("lat_proc fork", "process.fork_exit (lat_proc fork)"),
        ("bw_mem", "memory.copy (bw_mem bcopy)"),
        ("lat_mem_rd", "memory.latency (lat_mem_rd)"),
    ],
)
def test_names_that_people_try_lead_to_the_probe(typed: str, said: str) -> None:
    with pytest.raises(UnknownProbe) as error:
        select([typed])
    assert said in str(error.value)
