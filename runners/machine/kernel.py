"""How the kernel was built, booted and set up: what can make its work cost more or less.

Only names that are known beforehand are kept: a command line may hold addresses and secrets.
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from pathlib import Path

from runners.machine.files import read

CONFIG_BYTES_MAX = 1 << 20
#: Parameters of the command line that change what operations cost, and cannot name anybody.
PARAMETERS = frozenset(
    """
    audit clocksource cpuidle_haltpoll.force hpet idle init_on_alloc init_on_free
    intel_idle.max_cstate intel_iommu intel_pstate amd_pstate iommu isolcpus kpti l1tf lsm maxcpus
    mds mitigations nohz nohz_full nokaslr nopti nosmt nospec_store_bypass_disable nospectre_v1
    nospectre_v2 page_alloc.shuffle page_poison preempt processor.max_cstate pti psi
    randomize_kstack_offset rcu_nocbs rcupdate.rcu_expedited retbleed slab_nomerge slub_debug
    spec_store_bypass_disable spectre_v2 srso swiotlb threadirqs transparent_hugepage tsc tsx
    vsyscall
    """.split()  # noqa: SIM905 - a list of so many words would take a page
)
_VALUE = re.compile(r"[\w.,:+-]{1,40}", re.ASCII)
#: Options of the build that change what system calls cost, by the fact that lists them: no list is
#: longer than a fact may be.
OPTIONS = {
    fact: names.split()
    for fact, names in {
        "kernel_build": """
            PREEMPT_NONE PREEMPT_VOLUNTARY PREEMPT_LAZY PREEMPT PREEMPT_DYNAMIC PREEMPT_RT HZ
            NO_HZ_FULL KASAN KCSAN KFENCE LOCKDEP DEBUG_VM SLUB_DEBUG_ON FUNCTION_TRACER LTO_CLANG
            CC_OPTIMIZE_FOR_SIZE
        """,
        "kernel_hardening": """
            MITIGATION_PAGE_TABLE_ISOLATION MITIGATION_RETPOLINE MITIGATION_RETHUNK CFI_CLANG
            X86_KERNEL_IBT HARDENED_USERCOPY SLAB_FREELIST_HARDENED INIT_ON_ALLOC_DEFAULT_ON
            STACKPROTECTOR_STRONG
        """,
        "kernel_security": """
            AUDITSYSCALL BPF_LSM RANDOMIZE_KSTACK_OFFSET_DEFAULT SECURITY_APPARMOR
            SECURITY_LANDLOCK SECURITY_SELINUX SECURITY_SMACK SECURITY_TOMOYO SECURITY_YAMA
        """,
        "kernel_scheduler": """
            CFS_BANDWIDTH FAIR_GROUP_SCHED MEMCG NUMA_BALANCING PARAVIRT_SPINLOCKS RT_GROUP_SCHED
            SCHED_AUTOGROUP SCHED_CLASS_EXT SCHED_CORE UCLAMP_TASK
        """,
    }.items()
}
#: Settings of the scheduler that everybody may read.
SCHED_SETTINGS = ("autogroup_enabled", "cfs_bandwidth_slice_us", "rt_runtime_us", "schedstats")
_SECCOMP = {"0": "off", "1": "strict", "2": "filter"}


def kernel_facts(root: Path, release: str) -> dict[str, str | int | None]:
    """All of it that can be read; empty texts where it cannot. ``release`` names the kernel."""
    return {
        "kernel_parameters": parameters(root),
        **options(root, release),
        "preemption": preemption(root, release),
        "security_modules": ",".join(
            re.findall(r"[a-z]\w{0,19}", read("sys/kernel/security/lsm", root)[:200])
        ),
        "seccomp": seccomp(root),
        "cgroup_depth": cgroup_depth(root),
        "sched_features": " ".join(
            re.findall(r"\bNO_[A-Z_]{1,40}\b", read("sys/kernel/debug/sched/features", root))
        ),
        "sched_settings": sched_settings(root),
    }


def parameters(root: Path) -> str:
    """The known parameters of the command line, sorted; of odd values only the name."""
    found = set()
    for word in read("proc/cmdline", root).split():
        if word == "--":
            break  # what follows is for init
        name, equals, value = word.partition("=")
        if name in PARAMETERS:
            found.add(name + (f"={value}" if equals and _VALUE.fullmatch(value) else ""))
    return " ".join(sorted(found))


def options(root: Path, release: str) -> dict[str, str]:
    """The known options of the build that are set, where the kernel or /boot tells them."""
    found = dict(re.findall(r"^CONFIG_(\w+)=(\w+)$", config(root, release), re.MULTILINE))
    return {
        fact: " ".join(
            name if found[name] == "y" else f"{name}={found[name]}"
            for name in names
            if name in found
        )
        for fact, names in OPTIONS.items()
    }


def sched_settings(root: Path) -> str:
    """The scheduler's settings that can be read, such as ``autogroup_enabled=1``."""
    found = {name: read(f"proc/sys/kernel/sched_{name}", root).strip() for name in SCHED_SETTINGS}
    return " ".join(
        f"{name}={value}" for name, value in found.items() if re.fullmatch(r"-?\d{1,9}", value)
    )


def config(root: Path, release: str) -> str:
    """The text of the kernel's configuration; empty where nobody tells."""
    with suppress(OSError, zlib.error):
        data = (root / "proc/config.gz").read_bytes()[:CONFIG_BYTES_MAX]
        # No bomb: no configuration is longer.
        unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, CONFIG_BYTES_MAX)
        return unpacked.decode("ascii", "replace")
    if not re.fullmatch(r"[\w.+~-]{1,100}", release):
        return ""
    return read(f"boot/config-{release}", root)


def preemption(root: Path, release: str) -> str:
    """How the kernel is preempted: none, voluntary, full, lazy or rt; empty where unknown."""
    version = read("proc/version", root)
    if "PREEMPT_RT" in version:
        return "rt"
    chosen = re.search(r"\((\w+)\)", read("sys/kernel/debug/sched/preempt", root))
    if chosen:
        return chosen[1]
    if "PREEMPT_DYNAMIC" in version:
        given = re.search(r"\bpreempt=(none|voluntary|full|lazy)\b", read("proc/cmdline", root))
        if given:
            return given[1]
        built = re.search(r"^CONFIG_PREEMPT_(NONE|VOLUNTARY|LAZY)=y$", config(root, release), re.M)
        return built[1].lower() if built else "dynamic"
    return "full" if " PREEMPT " in version else ""


def seccomp(root: Path) -> str:
    """Whether system calls of this process are filtered: off, strict or filter."""
    mode = re.search(r"^Seccomp:\s*([012])$", read("proc/self/status", root), re.MULTILINE)
    return _SECCOMP[mode[1]] if mode else ""


def cgroup_depth(root: Path) -> int | None:
    """How many control groups this process is below, in the deepest hierarchy that it sees."""
    lines = [line.split(":", 2) for line in read("proc/self/cgroup", root).split("\n")]
    paths = [words[2].split("/") for words in lines if len(words) == 3]
    return max((sum(map(bool, path)) for path in paths), default=None)
