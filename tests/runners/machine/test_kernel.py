"""Facts of the kernel: what is kept of a command line, and what never is."""

from __future__ import annotations

import gzip
from pathlib import Path

from runners.machine.environment import TEXT_CHARS_MAX
from runners.machine.kernel import (
    OPTIONS,
    cgroup_depth,
    kernel_facts,
    options,
    parameters,
    preemption,
    sched_settings,
    seccomp,
)


def written(root: Path, path: str, text: str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root


def test_only_known_parameters_are_kept(tmp_path: Path) -> None:
    line = "root=UUID=1234 secret=hunter2 mitigations=off psi=1 lsm=/etc/passwd -- audit=1"
    assert parameters(written(tmp_path, "proc/cmdline", line)) == "lsm mitigations=off psi=1"


def test_known_options_are_read_from_the_kernel_or_from_boot(tmp_path: Path) -> None:
    text = (
        "CONFIG_HZ=250\nCONFIG_PREEMPT_NONE=y\n# CONFIG_KASAN is not set\nCONFIG_LOCALVERSION=x\n"
    )
    written(tmp_path, "boot/config-6.1.0", text)
    assert options(tmp_path, "6.1.0")["kernel_build"] == "PREEMPT_NONE HZ=250"
    assert set(options(tmp_path, "../6.1.0").values()) == {""}
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_KASAN=y\n"))
    assert options(tmp_path, "6.1.0")["kernel_build"] == "KASAN"
    (tmp_path / "proc/config.gz").write_bytes(b"rubbish")
    assert options(tmp_path, "6.1.0")["kernel_build"] == "PREEMPT_NONE HZ=250"


def test_no_list_of_options_is_cut(tmp_path: Path) -> None:
    names = [name for names in OPTIONS.values() for name in names]
    written(tmp_path, "boot/config-6.1", "".join(f"CONFIG_{name}=y\n" for name in names))
    found = options(tmp_path, "6.1")
    assert " ".join(found.values()).split() == names
    assert max(map(len, found.values())) <= TEXT_CHARS_MAX


def test_the_schedulers_settings_are_those_that_can_be_read(tmp_path: Path) -> None:
    written(tmp_path, "proc/sys/kernel/sched_autogroup_enabled", "1\n")
    written(tmp_path, "proc/sys/kernel/sched_rt_runtime_us", "-1\n")
    written(tmp_path, "proc/sys/kernel/sched_schedstats", "rubbish\n")
    assert sched_settings(tmp_path) == "autogroup_enabled=1 rt_runtime_us=-1"


def test_security_modules_and_switched_off_features(tmp_path: Path) -> None:
    written(tmp_path, "sys/kernel/security/lsm", "lockdown,capability,landlock")
    written(tmp_path, "sys/kernel/debug/sched/features", "PLACE_LAG NO_NEXT_BUDDY NO_HRTICK\n")
    found = kernel_facts(tmp_path, "6.1")
    assert found["security_modules"] == "lockdown,capability,landlock"
    assert found["sched_features"] == "NO_NEXT_BUDDY NO_HRTICK"


def test_the_preemption_model_is_the_chosen_one(tmp_path: Path) -> None:
    written(tmp_path, "proc/version", "Linux version 6.1 #1 SMP PREEMPT_DYNAMIC")
    assert preemption(tmp_path, "6.1") == "dynamic"
    written(tmp_path, "boot/config-6.1", "CONFIG_PREEMPT_NONE=y\n")
    assert preemption(tmp_path, "6.1") == "none"
    written(tmp_path, "proc/cmdline", "quiet preempt=full\n")
    assert preemption(tmp_path, "6.1") == "full"
    written(tmp_path, "sys/kernel/debug/sched/preempt", "none (voluntary) full\n")
    assert preemption(tmp_path, "6.1") == "voluntary"


def test_seccomp_and_cgroups(tmp_path: Path) -> None:
    assert (seccomp(tmp_path), cgroup_depth(tmp_path)) == ("", None)
    written(tmp_path, "proc/self/status", "Name:\tx\nSeccomp:\t2\n")
    written(tmp_path, "proc/self/cgroup", "0::/a.slice/b.scope\n1:cpu:/\nodd\n")
    assert (seccomp(tmp_path), cgroup_depth(tmp_path)) == ("filter", 2)
