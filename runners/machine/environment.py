"""Facts about the machine that a result must carry to be worth comparing.

Every source may be missing or hold rubbish: a fact that cannot be read is left out, never guessed.
Nothing that names a host, a user or a place in the file system is kept. The readers take the
``root`` below which they find proc, sys and etc, so that tests can hand them another machine.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
import pwd
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from cyext.core import cgroups
from cyext.core.page_sizes import PAGE_BYTES
from runners.machine.code import worker_hash
from runners.machine.files import read as read  # noqa: PLC0414 - also for who reads more facts
from runners.machine.kernel import kernel_facts

Fact = str | int | float
Fields = Mapping[str, list[str]]

ROOT = Path("/")
CPUS = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
TEXT_CHARS_MAX = 200

#: The boot's own number would name the machine; a hash of both tells boots apart and nothing else.
BOOT_SALT = "micro boot "
BOOT_TIME_S = 600

#: Facts in the words of people, who may have put their own or their machine's name there.
FREE_TEXT = {
    "os_release",
    "distribution",
    "cpu_model",
    "cpu_identity",
    "compiler",
    "compiler_flags",
}
#: What an emulated processor is called of which each instruction takes a nanosecond.
INSTRUCTION_CPU = "QEMU TCG: an instruction a nanosecond"
#: Arm reserves this number for software; QEMU's processor "max" has it.
SOFTWARE_IMPLEMENTER = "implementer 0x00 "
#: The build date that every release of gVisor claims.
GVISOR_DATE = "Sun Jan 10 15:06:54 PST 2016"
#: Facts that systems without /proc tell through sysctl; where that lies, and by what name.
BSD = {"cpu_model": "hw.model", "clock_source": "kern.timecounter.hardware"}
SYSCTLS = {
    "darwin": ("/usr/sbin/sysctl", {"cpu_model": "machdep.cpu.brand_string"}),
    "freebsd": ("/sbin/sysctl", BSD),
    "openbsd": ("/sbin/sysctl", BSD),
    "netbsd": ("/sbin/sysctl", BSD | {"cpu_model": "machdep.cpu_brand"}),
}
#: By "vendor product" of the DMI tables. Clouds that rent out bare metal under the same name are
#: not here.
DMI_SIGNS = {
    r"vmware": "vmware",
    r"virtualbox": "virtualbox",
    r"bhyve": "bhyve",
    r"microsoft corporation virtual machine": "hyperv",
    r"xen": "xen",
    r"amazon ec2 [\w-]+\.(?!metal)\w+": "kvm",
    r"kvm": "kvm",
    r"qemu": "qemu",
}
#: By a clock that only a guest is offered.
CLOCK_SIGNS = {r"kvm-clock": "kvm", r"hyperv_clocksource": "hyperv", r"\bxen\b": "xen"}
#: By the name a container is told, and by a file in it.
CONTAINERS = ("docker", "podman", "lxc", "systemd-nspawn")
CONTAINER_FILES = {
    "run/secrets/kubernetes.io": "kubernetes",
    "run/.containerenv": "podman",
    ".dockerenv": "docker",
}
#: The namespaces that the kernel itself boots with have these names on every Linux.
FIRST_NAMESPACES = {"ipc": "ipc:[4026531839]", "uts": "uts:[4026531838]", "pid": "pid:[4026531836]"}
# musl's loader is its libc; some distributions map it under its other name. (No other libc's path
# ends so: glibc's has a version, Android's lies elsewhere.)
MUSL = re.compile(r"\s/((?:\w[\w.-]*/)*ld-musl-[\w-]+\.so\.1|(?:usr/)?lib/libc\.so)$", re.MULTILINE)
# A path, alone or glued to an option, or user@host. "GNU/Linux" is neither.
PRIVATE_WORD = re.compile(r"(?:^|[^\w])/\w|/[^/]+/|^-\w+/|\w@\w")


def describe(root: Path = ROOT) -> dict[str, Fact]:
    """All known facts: one-line texts and numbers; memory in bytes."""
    system, arch = operating_system(root), architecture()
    cpuinfo = fields(read("proc/cpuinfo", root))
    facts: dict[str, Fact | None] = {
        "os": system,
        "os_release": os.uname().release,
        "distribution": distribution(root),
        "arch": arch,
        "cpu_count": len(usable_cpus(root)),
        "cpu_model": cpu_model(cpuinfo),
        "cpu_identity": cpu_identity(cpuinfo, root),
        "memory_bytes": memory_bytes(root),
        "page_bytes": PAGE_BYTES,
        "libc": libc(root),
        "virtualization": virtualization(system, arch, cpuinfo, root),
        "container": container(root),
        **settings(root),
        "mitigations": mitigations(root),
        "mitigations_off": mitigations_off(root),
        **kernel_facts(root, os.uname().release),
        "temp_fs": file_system(_temporary_folder(), root),
        "boot": boot(root),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **build(),
    }
    sysctl, names = SYSCTLS.get(system, ("", {}))
    for name, variable in names.items():
        facts[name] = facts[name] or run(sysctl, "-n", variable)[0]
    private = private_names()
    for name, fact in facts.items():
        if isinstance(fact, str):
            facts[name] = clean(fact, private if name in FREE_TEXT else ())
    return {name: fact for name, fact in facts.items() if fact is not None and fact != ""}


def boot(root: Path = ROOT) -> str | None:
    """Which start of the system this is, as a hash; None where it cannot be known.

    Linux draws a random number at each boot. Elsewhere it is the time of the boot, to ten minutes:
    it moves when the clock is set.
    """
    number = read_word("proc/sys/kernel/random/boot_id", root)
    if not number:
        sysctl, _ = SYSCTLS.get(operating_system(root), ("", {}))
        told = run(sysctl, "-n", "kern.boottime")[0] if sysctl else ""
        started = re.search(r"\b\d{9,11}\b", told)
        number = str(round(int(started[0]) / BOOT_TIME_S)) if started else ""
    return hashlib.sha256(f"{BOOT_SALT}{number}".encode()).hexdigest()[:16] if number else None


def key(environment: Mapping[str, Fact]) -> str:
    """The name of the folder for such machines' baselines: ``linux-x86_64-2cpu``.

    An emulated processor's figures say nothing of a real one's: ``linux-x86_64-2cpu-emulated``.
    QEMU that imitates an existing Arm processor is not recognised.
    """
    parts = [str(environment.get(name, "")).lower()[:40] for name in ("os", "arch", "cpu_count")]
    safe = [re.sub(r"[^a-z0-9_.+-]", "_", part).lstrip(".-") or "unknown" for part in parts]
    emulated = "-emulated" if str(environment.get("cpu_model", "")).startswith("QEMU") else ""
    return "-".join(safe) + "cpu" + emulated


def counts_instructions(environment: Mapping[str, Fact]) -> bool:
    """Whether a nanosecond of this system is an instruction: a guest of tests/systems/qemu.py."""
    return environment.get("cpu_model") == INSTRUCTION_CPU


def usable_cpus(root: Path = ROOT) -> list[int]:
    """The CPUs that this process may use, no more of them than its cgroup's quota pays for."""
    try:
        cpus = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        cpus = list(range(os.cpu_count() or 1))
    return cpus[: cpu_quota(root)]


def read_word(path: str, root: Path) -> str:
    """The single plain word that a file holds; empty if it holds anything else."""
    text = read(path, root).strip()
    return text if re.fullmatch(r"[\w.+-]{1,40}", text, re.ASCII) else ""


def run(*command: str) -> tuple[str, str]:
    """What a command says on stdout and on stderr within 5 s; empty if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=5, check=False)
    except (OSError, ValueError, subprocess.SubprocessError):
        return "", ""
    return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def fields(text: str) -> dict[str, list[str]]:
    """The values of ``name : value`` lines, in order, by name."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def number(text: str) -> int | None:
    """A whole number; None for ``max``, -1 and what has so many digits that it means no limit."""
    return int(text) if re.fullmatch(r"\s*[0-9]{1,18}\s*", text, re.ASCII) else None


def private_names() -> list[str]:
    """What this host and this user are called, the longest name first."""
    host = os.uname().nodename
    names = {host, host.partition(".")[0], os.environ.get("USER"), os.environ.get("LOGNAME")}
    with suppress(KeyError):
        names.add(pwd.getpwuid(os.getuid()).pw_name)
    # A name of one or two letters gives nobody away, and would tear version numbers apart.
    return sorted((name for name in names if name and len(name) > 2), key=len, reverse=True)


def clean(text: str, names: Iterable[str] = ()) -> str:
    """The text on one printable line of at most 200 characters, without paths and ``names``."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(word for word in line.split() if not PRIVATE_WORD.search(word))
    for name in names:
        line = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", "*", line)
    return line[:TEXT_CHARS_MAX].rstrip()


def operating_system(root: Path = ROOT) -> str:
    """What it really is, in lower case: gVisor and User-mode Linux call themselves Linux."""
    uname = os.uname()
    system = uname.sysname.lower()
    if system != "linux":
        return system
    if "gvisor" in uname.release or GVISOR_DATE in uname.version + read("proc/version", root):
        return "gvisor"
    cpuinfo = fields(read("proc/cpuinfo", root))
    makers = cpuinfo.get("vendor_id", []) + cpuinfo.get("model name", [])
    return "uml" if any("User Mode Linux" in maker for maker in makers) else system


def architecture() -> str:
    """The machine's instruction set, by its Linux name."""
    machine = os.uname().machine.lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def distribution(root: Path) -> str:
    """The distribution's name and version, as it calls itself."""
    text = read("etc/os-release", root) or read("usr/lib/os-release", root)
    match = re.search(r"^PRETTY_NAME=(.*)$", text, re.MULTILINE)
    return match[1].strip().strip("\"'") if match else ""


def libc(root: Path) -> str:
    """The C library and its version, as far as known."""
    with suppress(OSError, ValueError):
        if name := os.confstr("CS_GNU_LIBC_VERSION"):
            return name
    loader = MUSL.search(read("proc/self/maps", root))
    if loader is None:
        return ""
    # Run without arguments, musl's loader explains itself.
    about = "".join(run(str(root / loader[1])))
    version = re.search(r"^Version (\d[\w.]*)$", about, re.MULTILINE)
    return f"musl {version[1]}" if version else "musl"


def build() -> dict[str, str]:
    """Which version of micro this is, the code around its loops, and what compiled them."""
    import importlib.metadata  # noqa: PLC0415 - slow, and `micro list` imports this module

    facts = {"micro_worker": worker_hash() or ""}
    with suppress(importlib.metadata.PackageNotFoundError):
        facts["micro_version"] = importlib.metadata.version("osmicro")
    with suppress(ImportError):
        processor = importlib.import_module("cyext.core.processor")
        for name in ("COMPILER", "COMPILER_FLAGS"):
            value = str(getattr(processor, name, "unknown"))
            facts[name.lower()] = value.replace("unknown", "")
    return facts


def cgroup_folders(controller: str, root: Path) -> Iterator[str]:
    """The folders of this process's cgroup and of all above it, in either version's hierarchy."""
    for _version, folder in cgroups.folders(controller, read("proc/self/cgroup", root)):
        yield folder


def cpu_quota(root: Path) -> int | None:
    """How many CPUs the tightest cgroup pays for, rounded up; None without a quota."""
    quotas = []
    for folder in cgroup_folders("cpu", root):
        v1 = [read(f"{folder}/cpu.cfs_{name}_us", root) for name in ("quota", "period")]
        words = read(f"{folder}/cpu.max", root).split() or v1
        quota, period = map(number, (*words, "", "")[:2])
        if quota and period:
            quotas.append(-(-quota // period))
    return min(quotas, default=None)


def memory_bytes(root: Path) -> int | None:
    """The memory that this process can have: the machine's, or less where its cgroup says so."""
    stated = fields(read("proc/meminfo", root)).get("MemTotal", [""])[0]
    limits = [(number(stated.removesuffix("kB")) or 0) * 1024]
    if not limits[0]:
        with suppress(OSError, ValueError):
            limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for folder in cgroup_folders("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limits.append(number(read(f"{folder}/{name}", root)) or 0)
    return min((limit for limit in limits if limit > 0), default=None)


def cpu_model(cpuinfo: Fields) -> str:
    """The processor's name; on Arm, which has none, the numbers of its kinds of core."""
    for name in ("model name", "cpu model", "uarch", "cpu"):
        if name in cpuinfo:
            return cpu_name() if cpuinfo[name][0] == "unknown" else cpuinfo[name][0]
    cores = zip(cpuinfo.get("CPU implementer", []), cpuinfo.get("CPU part", []), strict=False)
    named = " + ".join(f"implementer {who} part {part}" for who, part in dict.fromkeys(cores))
    return f"QEMU, {named}" if SOFTWARE_IMPLEMENTER in named else named


def cpu_identity(cpuinfo: Fields, root: Path) -> str:
    """What tells processors of the same name apart: clouds call unlike ones "AMD EPYC".

    Maker, family, model, stepping, the rate of the time-stamp counter (or of Arm's timer) and the
    sizes of the caches.
    """
    kinds = {
        "vendor_id": "",
        "cpu family": "family ",
        "model": "model ",
        "stepping": "stepping ",
        "CPU variant": "variant ",
        "CPU revision": "revision ",
    }
    parts = [label + cpuinfo[name][0] for name, label in kinds.items() if name in cpuinfo]
    loops = (cpuinfo.get("bogomips") or cpuinfo.get("BogoMIPS") or [""])[0]
    if re.fullmatch(
        r"[0-9]{1,6}(\.[0-9]{1,9})?", loops
    ):  # twice the counter's rate, on x86 and Arm
        parts.append(f"counter {float(loops) / 2000:.2f} GHz")
    sizes = [read_word(f"{CPUS}/cpu0/cache/index{level}/size", root) for level in range(5)]
    caches = "+".join(filter(None, sizes)) or cpuinfo.get("cache size", [""])[0]
    return ", ".join([*parts, *([f"caches {caches}"] if caches else [])])


def cpu_name() -> str:
    """What the processor calls itself: gVisor would not tell."""
    with suppress(ImportError):
        return str(importlib.import_module("cyext.core.processor").cpu_name())
    return ""


def virtualization(system: str, arch: str, cpuinfo: Fields, root: Path) -> str:
    """What carries this system; "none" only where the processor itself says so."""
    if system in ("gvisor", "uml"):
        return system
    if name := hypervisor(root):
        return name
    flags = cpuinfo.get("flags", [""])[0].split()
    if not flags or not re.fullmatch(r"x86_64|i[3-6]86", arch):
        return ""
    return "hypervisor" if "hypervisor" in flags else "none"


def hypervisor(root: Path) -> str:
    """The hypervisor by name; empty if none gives itself away."""
    if read_word("sys/hypervisor/type", root) == "xen":
        return "xen"
    # Firecracker has no DMI tables, but signs its ACPI ones (which only root may read).
    device = os.path.exists(root / "sys/bus/acpi/devices/FCVMGID:00")
    if device or "FIRECK" in read("sys/firmware/acpi/tables/DSDT", root)[:64]:
        return "firecracker"
    names = [read(f"sys/class/dmi/id/{name}", root) for name in ("sys_vendor", "product_name")]
    dmi = " ".join(" ".join(names).lower().split())
    maker = next((name for sign, name in DMI_SIGNS.items() if re.search(rf"\b{sign}\b", dmi)), "")
    if maker not in ("", "qemu"):
        return maker
    # QEMU by itself emulates; beside KVM's clock it is only the furniture.
    clocks = read(f"{CLOCK}/available_clocksource", root)
    return next((name for sign, name in CLOCK_SIGNS.items() if re.search(sign, clocks)), maker)


def container(root: Path) -> str:
    """The kind of container around this process; empty if there is none or it does not tell."""
    # An image unpacked as a virtual machine's disk still bears the container's marks.
    with suppress(OSError):
        spaces = {name: os.readlink(root / "proc/self/ns" / name) for name in FIRST_NAMESPACES}
        if spaces == FIRST_NAMESPACES:
            return ""
    environ = re.search(r"(?:^|\0)container=([\w-]+)", read("proc/1/environ", root))
    name = read_word("run/systemd/container", root) or (environ[1] if environ else "")
    if name in CONTAINERS:
        return name
    return next((name for path, name in CONTAINER_FILES.items() if os.path.exists(root / path)), "")


def settings(root: Path) -> dict[str, str]:
    """Clock, huge pages, hyper-threads and frequency, in the kernel's own words."""
    pages, defrag = (
        re.search(r"\[([\w+]+)\]", read(f"sys/kernel/mm/transparent_hugepage/{name}", root))
        for name in ("enabled", "defrag")
    )
    no_turbo = read_word(f"{CPUS}/intel_pstate/no_turbo", root)
    boost = read_word(f"{CPUS}/cpufreq/boost", root)
    return {
        "clock_source": read_word(f"{CLOCK}/current_clocksource", root),
        "thp": pages[1] if pages else "",
        "thp_defrag": defrag[1] if defrag else "",
        "smt": read_word(f"{CPUS}/smt/control", root),
        "governor": read_word(f"{CPUS}/cpu0/cpufreq/scaling_governor", root),
        "turbo": {"0": "on", "1": "off"}.get(no_turbo) or {"1": "on", "0": "off"}.get(boost, ""),
    }


def mitigations(root: Path) -> str:
    """The processor's flaws that apply here: ``name=mitigated`` or ``name=vulnerable``, by name."""
    folder = f"{CPUS}/vulnerabilities"
    entries = []
    with suppress(OSError):
        for name in sorted(os.listdir(root / folder)):
            if state := re.match(r"(Mitigation)|Vulnerable", read(f"{folder}/{name}", root)):
                entries.append(f"{name}={'mitigated' if state[1] else 'vulnerable'}")
    # Where not all fit in, the mitigated go first, and "+3" says how many are left out.
    left_out = 0
    while len(";".join(entries)) > TEXT_CHARS_MAX - 5:
        mitigated = [entry for entry in entries if entry.endswith("=mitigated")]
        entries.remove((mitigated or entries)[-1])
        left_out += 1
    return ";".join(entries + [f"+{left_out}"] * bool(left_out))


def mitigations_off(root: Path) -> int | None:
    """1 if the kernel was told to leave the processor's flaws as they are."""
    words = [word for word in read("proc/cmdline", root).split() if word.startswith("mitigations=")]
    return 1 if words[-1:] == ["mitigations=off"] else None


def _temporary_folder() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def file_system(folder: Path | None, root: Path = Path("/")) -> str:
    """The type of the file system that a folder is on; empty where that is not known."""
    try:
        folder = folder and folder.resolve()
    except (OSError, RuntimeError):
        folder = None
    if folder is None:
        return ""
    deepest, kind = 0, ""
    for line in read("proc/self/mountinfo", root).split("\n"):
        mount, _, source = line.partition(" - ")
        words, candidate = mount.split(" "), source.partition(" ")[0]
        if len(words) < 5 or not re.fullmatch(r"[\w.-]{1,40}", candidate, re.ASCII):
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4]))
        # Of mounts on the same point the last one is in sight.
        if folder.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), candidate
    return kind
