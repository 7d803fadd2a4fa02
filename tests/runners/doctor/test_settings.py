"""What the doctor says of settings, and of what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from planted import plant

from runners.doctor.finding import Finding
from runners.doctor.settings import settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant(tmp_path, {"proc/self/schedstat": "1 2 3\n"})


def said(root: Path, **facts: Any) -> list[Finding]:
    return list(settings(facts, root))


def one(root: Path, **facts: Any) -> Finding:
    (found,) = said(root, **facts)
    assert bool(found.cure) == (found.weight != "good")
    return found


def test_of_what_is_not_known_nothing_is_said(root: Path) -> None:
    assert said(root) == []


@pytest.mark.parametrize(
    ("fact", "value", "topic", "weight"),
    [
        ("clock_source", "tsc", "clock source", "good"),
        ("clock_source", "kvm-clock", "clock source", "good"),
        ("clock_source", "arch_sys_counter", "clock source", "good"),
        ("clock_source", "hpet", "clock source", "warning"),
        ("clock_source", "acpi_pm", "clock source", "warning"),
        ("governor", "performance", "governor", "good"),
        ("governor", "powersave", "governor", "warning"),
        ("governor", "schedutil", "governor", "warning"),
        ("turbo", "on", "turbo", "note"),
        ("thp", "never", "huge pages", "note"),
        ("thp", "madvise", "huge pages", "good"),
        ("mitigations_off", 1, "mitigations", "note"),
        ("mitigations", "meltdown=mitigated;mds=mitigated", "mitigations", "good"),
    ],
)
def test_settings(root: Path, fact: str, value: object, topic: str, weight: str) -> None:
    found = one(root, **{fact: value})
    assert (found.topic, found.weight) == (topic, weight)
    if weight == "warning":
        assert str(value) in found.short


def test_what_pyperf_can_do_about_it_is_said(root: Path) -> None:
    assert "pyperf system tune" in one(root, governor="powersave").cure
    assert "pyperf system tune" in one(root, turbo="on").cure


def test_turbo_that_is_off_is_not_worth_a_word(root: Path) -> None:
    assert said(root, turbo="off") == []


def test_flaws_that_are_open(root: Path) -> None:
    assert one(root, mitigations="mds=vulnerable;srso=vulnerable;l1tf=mitigated;+3").seen == (
        "on; 2 known flaws left open"
    )
    assert one(root, mitigations="l1tf=mitigated;+3").seen == "on"
    assert one(root, mitigations="l1tf=mitigated", mitigations_off=1).weight == "note"


def test_a_scheduler_that_does_not_count(tmp_path: Path) -> None:
    (found,) = said(tmp_path)
    assert (found.topic, found.weight) == ("scheduler's counts", "note")


@pytest.mark.parametrize(
    ("file", "topic", "bad", "good"),
    [
        ("proc/sys/kernel/yama/ptrace_scope", "tracing", ("2", "3\n"), ("0", "1", "", "x")),
        ("proc/sys/kernel/io_uring_disabled", "io_uring", ("1", "2\n"), ("0", "", "x")),
    ],
)
def test_what_is_forbidden(
    root: Path, file: str, topic: str, bad: tuple[str, ...], good: tuple[str, ...]
) -> None:
    for state in bad:
        plant(root, {file: state})
        found = one(root)
        assert (found.topic, found.weight) == (topic, "note")
        assert state.strip() in found.seen
        assert "sysctl" in found.cure
    for state in good:
        plant(root, {file: state})
        assert said(root) == []
