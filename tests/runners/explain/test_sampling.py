"""Sampling for real: a planted spin is found by name; a refusal names its reason."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import seccomp
from again import again
from fake_workloads import Plain
from isolated import isolated

from runners.explain.costs import costs
from runners.explain.explain_worker import Processes, Stacks, profile
from runners.explain.refusal import cannot_explain, reason
from runners.explain.sampling import Explained, Explaining
from runners.explain.symbols import kernel_symbols
from runners.machine.environment import usable_cpus
from runners.measure.launch import Answer, Launcher
from runners.model.job import Job


@pytest.fixture
def _can_sample() -> None:
    refused = cannot_explain()
    if refused:
        pytest.skip(refused)


def sampled(job: Job, scratch: Path) -> Explained:
    """What one process shows; another one where every sample was of some other program."""

    def once() -> Explained:
        explaining = Explaining(job, kernel_symbols(), 50_000_000)
        explaining.process(Launcher(scratch), usable_cpus())
        return explaining.explained()

    return again(once, lambda found: bool(found.profiles))


@pytest.mark.usefixtures("_can_sample")
def test_a_planted_spin_is_found_in_the_function_that_spins(tmp_path: Path) -> None:
    job = Job("core.empty", "cyext.core.empty:Empty", slowdown=1.0)
    found = sampled(job, tmp_path)
    assert found.reason is None
    (profile,) = found.profiles
    names = {cost.symbol.label for cost in costs(profile)}
    assert any("Workload.slowed_batch (workload" in name for name in names)
    assert any("Empty.loop (empty" in name for name in names)
    assert profile.stacks


@pytest.mark.usefixtures("_can_sample")
def test_what_children_do_is_the_probes(tmp_path: Path) -> None:
    job = Job("process.fork_exit", "cyext.process.parents:ForkExit", params={"image": "dynamic"})
    found = sampled(job, tmp_path)
    assert found.profiles, found.reason
    frames = {symbol.name for stack in found.profiles[0].stacks for symbol in stack}
    assert any(name.startswith("do_exit") for name in frames)


def test_a_task_that_has_lost_its_number_is_not_the_probes() -> None:
    stacks = Stacks(Processes())
    records = [("sample", 5, pid, True, (7,)) for pid in (os.getpid(), (1 << 32) - 1, 1 << 30)]
    stacks.add(records, [(0, 10)])
    assert sorted(stacks.encode()["stacks"]) == [["other", 2], ["own", 1, 0]]


class Starved(Launcher):
    """Its workers are sampled only while other programs run."""

    def run(self, module: str, order: dict[str, Any]) -> Answer:
        line = {"level": None, "batch": 9, "plain_ns": [90], "sampled_ns": [95], "cpus": 1}
        line |= {"everybody": True, "lost": 0, "frames": [], "stacks": [["other", 20]]}
        return Answer([line])


@pytest.mark.usefixtures("_can_sample")
def test_a_profile_is_taken_under_the_load_of_the_measurement() -> None:
    class NotSupported(Exception):
        pass

    workload = Plain()
    workload.max_batch, workload.began_ns = 10_000, 0  # type: ignore[attr-defined]
    order = {"slowdown": 0.0, "least_batch": 64, "sampled_ns": 0}
    with pytest.raises(NotSupported):
        profile(workload, order, 16, None, SimpleNamespace(NotSupported=NotSupported))
    assert min(n for kind, n in workload.diary if kind == "run") == 64 * 16


def test_a_process_that_got_no_cpu_has_no_profile(tmp_path: Path) -> None:
    explaining = Explaining(Job("core.empty", "cyext.core.empty:Empty"), kernel_symbols(), 1)
    explaining.process(Starved(tmp_path), usable_cpus())
    found = explaining.explained()
    assert (found.profiles, found.reason) == (
        [],
        "every sample was of another program: try on an idle machine",
    )


def _refused_by_filter() -> str | None:
    seccomp.forbid("perf_event_open", error=errno.EPERM)
    return cannot_explain()


@pytest.mark.usefixtures("_can_sample")
def test_a_seccomp_filter_is_named() -> None:
    if not seccomp.works():
        pytest.skip("no seccomp filter here")
    said = isolated(_refused_by_filter)
    assert said is not None
    assert "seccomp filter" in said


def machine(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_paranoid_kernel_names_the_setting_and_what_it_takes(tmp_path: Path) -> None:
    root = machine(tmp_path, proc__sys__kernel__perf_event_paranoid="3\n")
    said = reason(errno.EACCES, root)
    assert "kernel.perf_event_paranoid is 3" in said
    assert "CAP_PERFMON" in said


def test_a_kernel_without_the_call_and_gvisor_are_told_apart(tmp_path: Path) -> None:
    assert "CONFIG_PERF_EVENTS" in reason(errno.ENOSYS, tmp_path)
    gvisor = machine(tmp_path, proc__version="Linux 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016")
    assert "gVisor" in reason(errno.ENOSYS, gvisor)
