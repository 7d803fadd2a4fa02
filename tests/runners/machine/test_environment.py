from __future__ import annotations

import importlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_system import (
    CLOCK,
    CPUS,
    GVISOR_VERSION,
    HOST,
    MOUNTS,
    SHORT_HOST,
    SOURCES,
    USER,
    X86,
    Files,
    Plant,
    assert_tidy,
    set_uname,
    write,
)

from runners.machine import environment
from runners.machine.environment import Fact, describe, key, usable_cpus

pytestmark = pytest.mark.usefixtures("named_linux")


# The whole


def test_the_real_machine_is_described() -> None:
    facts = describe()
    assert {"os", "os_release", "arch", "cpu_count", "memory_bytes", "python"} <= set(facts)
    assert_tidy(facts)
    assert facts["cpu_count"] == len(usable_cpus()) >= 1
    assert isinstance(facts["memory_bytes"], int)
    assert facts["memory_bytes"] > 1 << 20
    assert re.fullmatch(r"[a-z0-9_.+]+-[a-z0-9_.+]+-[0-9]+cpu", key(facts))
    text = " ".join(map(str, facts.values()))
    for name in {os.uname().nodename, os.environ.get("USER", "")}:
        assert len(name) < 3 or not re.search(rf"\b{re.escape(name)}\b", text)


def test_the_real_cpus_are_ours() -> None:
    cpus = usable_cpus()
    assert cpus == sorted(set(cpus))
    if hasattr(os, "sched_getaffinity"):
        assert set(cpus) <= os.sched_getaffinity(0)


def test_without_any_file_the_certain_facts_remain(tmp_path: Path) -> None:
    with patch.object(os, "confstr", side_effect=ValueError):
        facts = describe(tmp_path)
    assert facts.pop("python")
    for name in (
        "memory_bytes",
        "compiler",
        "compiler_flags",
        "micro_version",
        "micro_worker",
        "page_bytes",
    ):
        facts.pop(name, None)  # neither of them is read from a file below the root
    assert facts == {
        "os": "linux",
        "os_release": "6.1.0-18-amd64",
        "arch": "x86_64",
        "cpu_count": 8,
    }


def test_unreadable_files_are_unknown_facts(tmp_path: Path) -> None:
    for source in SOURCES:
        (tmp_path / source).mkdir(parents=True)
    facts = describe(tmp_path)
    assert (facts["os"], facts["cpu_count"]) == ("linux", 8)
    assert not {"cpu_model", "virtualization", "container", "temp_fs", "thp"} & set(facts)


PIECES = [
    *(":", " ", "\n", "\0", "=", ",", "/", "..", " - ", "-1", "0", "7", "9" * 5000, "max", '"'),
    *("0::/a", "1:cpu:/a", "1:cpu,memory:/", "MemTotal:", " kB", "PRETTY_NAME=", "model name:"),
    *("flags:", "hypervisor", "CPU part:", "CPU implementer:", "[", "]", "container=", "lxc"),
    *("\u2028", "\x1b[31m", "\r", "\x85", "\u202e", "\\777", "22 27 0:1 / / rw - ext4 x rw"),
    *("Mitigation", "Vulnerable", "/lib/ld-musl-x86_64.so.1", "@", USER, "x" * 300, "é", "٣"),
]
CONTENT = st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(SOURCES), CONTENT, max_size=len(SOURCES)), st.booleans())
def test_hostile_files_do_no_harm(files: dict[str, str | bytes], with_glibc: bool) -> None:
    confstr = {"return_value": "glibc 2.36"} if with_glibc else {"side_effect": OSError}
    with tempfile.TemporaryDirectory() as root, patch.object(os, "confstr", **confstr):
        write(Path(root), files)
        facts = describe(Path(root))
    assert_tidy(facts)
    assert {"os", "arch", "cpu_count", "python"} <= set(facts)
    assert 1 <= int(facts["cpu_count"]) <= 8


@pytest.mark.parametrize(
    "leak",
    [
        "Linux version 6.1.0 ({user}@{host}) (gcc) #1 SMP",
        "model name : Bolt of {user} on {host}\nhost : {host}\nvendor_id : {host}",
        'PRETTY_NAME="Linux of {user} at {host} in /home/{user}"',
        "root=/home/{user} host={host} mitigations=off",
        "22 1 0:1 / / rw - ext4 /dev/{host}/{user} rw",
        "0::/user.slice/{user}/{host}",
        "container={host}",
        "{user}@{host}",
        "/home/{user}/{host}",
    ],
)
def test_no_file_leaks_names_or_paths(plant: Plant, leak: str) -> None:
    facts = describe(plant(dict.fromkeys(SOURCES, leak.format(user=USER, host=HOST))))
    assert_tidy(facts)
    text = str(facts)
    assert USER not in text
    assert SHORT_HOST not in text
    assert "/home" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Debian GNU/Linux 12 (bookworm)", "Debian GNU/Linux 12 (bookworm)"),
        ("AMD Ryzen w/ Radeon @ 2.50GHz", "AMD Ryzen w/ Radeon @ 2.50GHz"),
        ("a\x1b[31mb\u202ec\u2028d\x85e\0f\t g\n", "a [31mb c d e f g"),
        ("gcc /usr/bin/gcc ~/bin/gcc ../gcc 12", "gcc 12"),
        ("-I/opt -L/usr/lib -g -Wl,-rpath,/x -fmap=/y build/temp/z", "-g"),
        ("built by mallory@pandora today", "built by today"),
        ("x" * 300, "x" * 200),
        ("x" * 199 + " y", "x" * 199),
        ("6.1.0-mallory+ mallorybox", "6.1.0-*+ mallorybox"),
    ],
)
def test_text_is_cleaned(text: str, expected: str) -> None:
    assert environment.clean(text, [USER]) == expected


def test_names_and_paths_in_what_people_chose_are_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_uname(monkeypatch, release=f"6.9.0-rc1-{SHORT_HOST}+")
    flags = f"-O2 -I/opt/{USER}/include -ffile-prefix-map=/srv/b=. --sysroot=/x -DBY={USER} -g"
    workload = SimpleNamespace(COMPILER="GNU 12.2.0 /usr/bin/cc", COMPILER_FLAGS=flags)
    monkeypatch.setattr(importlib, "import_module", lambda name: workload)
    facts = describe(tmp_path)
    assert facts["os_release"] == "6.9.0-rc1-*+"
    assert facts["compiler"] == "GNU 12.2.0"
    assert facts["compiler_flags"] == "-O2 -DBY=* -g"


def test_workloads_that_were_not_built_are_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert not {"compiler", "compiler_flags"} & set(describe(tmp_path))


def test_an_unknown_compiler_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    workload = SimpleNamespace(COMPILER="unknown", COMPILER_FLAGS="unknown")
    monkeypatch.setattr(importlib, "import_module", lambda name: workload)
    assert not {"compiler", "compiler_flags"} & set(describe(tmp_path))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"os": "linux", "arch": "x86_64", "cpu_count": 2}, "linux-x86_64-2cpu"),
        ({"os": "GNU/kFreeBSD", "arch": "a b", "cpu_count": 1}, "gnu_kfreebsd-a_b-1cpu"),
        ({"os": "../..", "arch": "é", "cpu_count": 4}, "_..-_-4cpu"),
        ({}, "unknown-unknown-unknowncpu"),
        (
            {"os": "linux", "arch": "x86_64", "cpu_count": 2, "cpu_model": "QEMU TCG CPU 2.5+"},
            "linux-x86_64-2cpu-emulated",
        ),
    ],
)
def test_key_is_a_safe_folder_name(facts: dict[str, Fact], expected: str) -> None:
    assert key(facts) == expected


@given(st.text(), st.text(), st.integers() | st.text())
def test_key_never_leaves_its_folder(system: str, arch: str, cpus: int | str) -> None:
    name = key({"os": system, "arch": arch, "cpu_count": cpus})
    assert re.fullmatch(r"[a-z0-9_+][a-z0-9_.+-]*cpu", name, re.ASCII)
    assert len(name) < 150


# The system


@pytest.mark.parametrize(
    ("uname", "files", "expected"),
    [
        ({}, {}, "linux"),
        ({}, {"proc/version": f"Linux version 6.1.0 ({USER}@{HOST}) (gcc 12) #1 SMP"}, "linux"),
        ({}, {"proc/cpuinfo": X86.format("hypervisor")}, "linux"),
        ({"release": "4.4.0"}, {}, "linux"),
        ({}, {"proc/version": f"Linux version 4.4.0 {GVISOR_VERSION}\n"}, "gvisor"),
        ({"release": "4.4.0", "version": GVISOR_VERSION}, {}, "gvisor"),
        ({"release": "5.15.0-gvisor"}, {}, "gvisor"),
        ({}, {"proc/cpuinfo": "vendor_id\t: User Mode Linux\nmodel name\t: UML\n"}, "uml"),
        ({}, {"proc/cpuinfo": "host\t: Linux with User Mode Linux\n"}, "linux"),
        ({"release": "5.15.167.4-microsoft-standard-WSL2"}, {}, "linux"),
        ({"system": "FreeBSD"}, {"proc/version": GVISOR_VERSION}, "freebsd"),
        ({"system": "OpenBSD"}, {}, "openbsd"),
    ],
)
def test_what_the_system_really_is(
    monkeypatch: pytest.MonkeyPatch,
    plant: Plant,
    uname: dict[str, str],
    files: Files,
    expected: str,
) -> None:
    set_uname(monkeypatch, **uname)
    monkeypatch.setattr(environment, "run", lambda *command: ("", ""))
    facts = describe(plant(files))
    assert facts["os"] == expected
    assert key(facts) == f"{expected}-x86_64-8cpu"
    if expected in ("gvisor", "uml"):
        assert facts["virtualization"] == expected


@pytest.mark.parametrize(
    ("machine", "arch"),
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("aarch64", "aarch64"), ("riscv64", "riscv64")],
)
def test_one_name_per_architecture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str, arch: str
) -> None:
    set_uname(monkeypatch, machine=machine)
    assert describe(tmp_path)["arch"] == arch


@pytest.mark.parametrize("place", ["etc/os-release", "usr/lib/os-release"])
def test_distribution(plant: Plant, place: str) -> None:
    text = 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
    assert describe(plant({place: text}))["distribution"] == "Debian GNU/Linux 12 (bookworm)"


@pytest.mark.parametrize("loader", ["/lib/ld-musl-aarch64.so.1", "/usr/lib/libc.so"])
@pytest.mark.parametrize(
    ("about", "expected"),
    [("musl libc (aarch64)\nVersion 1.2.5\nDynamic Program Loader\n", "musl 1.2.5"), ("", "musl")],
)
def test_musl_is_known_by_its_loader(
    monkeypatch: pytest.MonkeyPatch, plant: Plant, loader: str, about: str, expected: str
) -> None:
    root = plant({"proc/self/maps": f"7f00-7f01 r--p 00000000 fe:00 42      {loader}\n"})
    answers = {f"{root}{loader}": ("", about)}
    monkeypatch.setattr(environment, "run", answers.__getitem__)
    with patch.object(os, "confstr", side_effect=OSError):
        assert describe(root)["libc"] == expected


@pytest.mark.parametrize(
    "path",
    ["/usr/lib/libc.so.6", "/apex/com.android.runtime/lib64/bionic/libc.so", "/../ld-musl-x.so.1"],
)
def test_another_libc_is_not_taken_for_musl(plant: Plant, path: str) -> None:
    root = plant({"proc/self/maps": f"7f00-7f01 r--p 00000000 fe:00 42      {path}\n"})
    with patch.object(os, "confstr", side_effect=OSError):
        assert "libc" not in describe(root)


def test_glibc_tells_its_version(tmp_path: Path) -> None:
    with patch.object(os, "confstr", return_value="glibc 2.36"):
        assert describe(tmp_path)["libc"] == "glibc 2.36"


def test_systems_without_proc_are_asked_through_sysctl(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = {"machdep.cpu.brand_string": "Apple M3\n", "hw.model": "AMD EPYC 9R14\n"}
    monkeypatch.setattr(
        environment, "run", lambda sysctl, option, name: (answers.get(name, ""), "unknown oid")
    )
    set_uname(monkeypatch, system="Darwin", machine="arm64")
    assert describe(tmp_path)["cpu_model"] == "Apple M3"
    set_uname(monkeypatch, system="FreeBSD", machine="amd64")
    facts = describe(tmp_path)
    assert facts["cpu_model"] == "AMD EPYC 9R14"
    assert "clock_source" not in facts


def test_a_command_that_cannot_run_says_nothing() -> None:
    assert environment.run("/nonexistent/sysctl", "-n", "x") == ("", "")
    assert environment.run("\0") == ("", "")


# Settings that move results


@pytest.mark.parametrize(
    ("name", "path", "content", "expected"),
    [
        ("clock_source", f"{CLOCK}/current_clocksource", "tsc\n", "tsc"),
        ("thp", "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never", "madvise"),
        ("thp", "sys/kernel/mm/transparent_hugepage/enabled", "always madvise never", None),
        ("governor", f"{CPUS}/cpu0/cpufreq/scaling_governor", "performance\n", "performance"),
        ("governor", f"{CPUS}/cpu0/cpufreq/scaling_governor", "two words\n", None),
        ("smt", f"{CPUS}/smt/control", "forceoff\n", "forceoff"),
        ("turbo", f"{CPUS}/intel_pstate/no_turbo", "1\n", "off"),
        ("turbo", f"{CPUS}/intel_pstate/no_turbo", "0\n", "on"),
        ("turbo", f"{CPUS}/cpufreq/boost", "1\n", "on"),
        ("turbo", f"{CPUS}/cpufreq/boost", "0\n", "off"),
        ("turbo", f"{CPUS}/cpufreq/boost", "?\n", None),
        ("mitigations_off", "proc/cmdline", "quiet mitigations=off panic=1\n", 1),
        ("mitigations_off", "proc/cmdline", "quiet mitigations=auto,nosmt\n", None),
        ("mitigations_off", "proc/cmdline", "mitigations=off mitigations=auto\n", None),
        ("mitigations_off", "proc/cmdline", "xmitigations=off\n", None),
    ],
)
def test_workload_settings(
    plant: Plant, name: str, path: str, content: str, expected: str | int | None
) -> None:
    assert describe(plant({path: content})).get(name) == expected


def flaws(states: Mapping[str, str]) -> dict[str, str]:
    return {f"{CPUS}/vulnerabilities/{name}": state + "\n" for name, state in states.items()}


def test_mitigations_are_summed_up(plant: Plant) -> None:
    states = {
        "spectre_v2": "Mitigation: Retpolines; STIBP: disabled",
        "meltdown": "Not affected",
        "mds": "Vulnerable: Clear CPU buffers attempted, no microcode",
        "l1tf": "Mitigation: PTE Inversion",
        "itlb_multihit": "Unknown: Processor vulnerable",
    }
    expected = "l1tf=mitigated;mds=vulnerable;spectre_v2=mitigated"
    assert describe(plant(flaws(states)))["mitigations"] == expected


def test_mitigations_too_many_to_list_are_counted(plant: Plant) -> None:
    states = {f"flaw_number_{i:02}": "Mitigation: yes" for i in range(20)}
    states |= {"zenbleed": "Vulnerable"}
    *listed, rest = str(describe(plant(flaws(states)))["mitigations"]).split(";")
    assert listed == sorted(listed)
    assert "zenbleed=vulnerable" in listed
    assert len(listed) + int(rest) == len(states)


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("", None),
        ("1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n", "ext4"),
        (
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:5 / {tmp} rw - tmpfs tmpfs rw\n"
            "3 1 0:6 / {tmp}/deeper rw - xfs x rw\n4 1 0:7 / {tmp}-sibling rw - btrfs x rw\n",
            "tmpfs",
        ),
        ("2 1 0:5 / {tmp} rw - tmpfs x rw\n3 1 0:6 / {tmp} rw - overlay x rw\n", "overlay"),
        ("2 1 0:5 / {tmp} rw - tmpfs x rw\n1 0 8:1 / / rw - ext4 x rw\n", "tmpfs"),
        ("1 0 8:1 / / rw - /home/mallory x rw\nshort - ext4\n", None),
    ],
)
def test_temp_fs_is_the_nearest_mount(
    monkeypatch: pytest.MonkeyPatch, plant: Plant, mounts: str, expected: str | None
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp of mine")
    root = plant({MOUNTS: mounts.format(tmp=r"/tmp\040of\040mine")})
    assert describe(root).get("temp_fs") == expected


def test_without_a_temporary_directory_its_file_system_is_unknown(plant: Plant) -> None:
    root = plant({MOUNTS: "1 0 8:1 / / rw - ext4 x rw\n"})
    with patch.object(tempfile, "gettempdir", side_effect=FileNotFoundError):
        assert "temp_fs" not in describe(root)


def test_boots_differ_and_one_boot_is_always_the_same(tmp_path: Path) -> None:
    def of_boot(name: str, number: str) -> str | None:
        file = tmp_path / name / "proc/sys/kernel/random/boot_id"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(number + "\n")
        return environment.boot(tmp_path / name)

    first = "7f0e1dd6-3b0c-4f3e-9a30-111111111111"
    second = "7f0e1dd6-3b0c-4f3e-9a30-222222222222"
    assert of_boot("a", first) == of_boot("b", first)
    assert of_boot("a", first) != of_boot("b", second)
    assert first[:8] not in str(of_boot("a", first))
