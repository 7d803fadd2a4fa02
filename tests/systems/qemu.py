"""Measure another Linux kernel: boot it in QEMU, run micro in it, bring the session file back.

If micro's command is neither ``all`` nor ``run``, what it prints is brought back in place of a
session. It must be JSON.

    python tests/systems/qemu.py --kernel 6.12 -o linux-6.12.json
    python tests/systems/qemu.py --kernel 6.12-rt -o rt.json -- all --quick --only fd event
    python tests/systems/qemu.py --arch arm64 --kernel 6.12-16k -o arm.json -- list --json

``--kernel`` is a version of Debian's kernels (``6.1``, ``6.12-rt``), whose newest package comes by
``apt-get download`` and is not installed, or a file: such a package, or a bootable image. The guest
is the running Python and this checkout with its workloads, nothing else; a 64-bit Arm guest has
Debian's Python and workloads compiled for it (`arm_root.py`). Its processor is emulated: each
instruction takes a nanosecond, so that figures count instructions, repeat on the busiest host, and
compare with those of other such guests only. The time of an Arm guest is the host's.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import arm_root
import initramfs

from runners.machine.environment import INSTRUCTION_CPU

#: What the guest's results name their processor where it does not count instructions.
CPU_TIMED = "QEMU TCG: timed by the host"
#: Emulated CPUs take turns: what members of a team wait for each other says nothing.
TEAMS = ["*threads*", "fd.table_shared"]
EXAMPLE = ["all", "--quick", "--budget", "120", "--exclude", *TEAMS]


class Failed(Exception):
    """One sentence: what went wrong and what to do."""


class Machine(NamedTuple):
    """An emulated machine: its program and Debian's package of that, its console and its parts."""

    program: str
    package: str
    console: str
    parts: tuple[str, ...]


#: By Debian's names of architectures. The second serial port is the session file's.
MACHINES = {
    "amd64": Machine("qemu-system-x86_64", "qemu-system-x86", "ttyS0", ("-serial", "chardev:out")),
    "arm64": Machine(
        "qemu-system-aarch64",
        "qemu-system-arm",
        "ttyAMA0",
        ("-machine", "virt", "-device", "pci-serial,chardev=out"),
    ),
}


def run(*command: str | Path, folder: Path | None = None) -> str:
    """The standard output of a command that must succeed."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise Failed(f"{shlex.join(map(str, command))}: {error.stderr.strip()}") from None
    return done.stdout


def kernel_image(wanted: str, arch: str, folder: Path) -> Path:
    """The bootable image of a version, of a Debian package or of itself."""
    package = Path(wanted)
    if not package.exists():
        package = download(wanted, arch, folder)
    if package.suffix != ".deb":
        return package
    run("dpkg-deb", "-x", package, folder / "unpacked")
    return next((folder / "unpacked" / "boot").glob("vmlinuz-*"))


def download(version: str, arch: str, folder: Path) -> Path:
    """Debian's newest package of a version and flavour: ``6.1``, ``6.1-rt``, Arm's ``6.12-16k``."""
    options = arm_root.apt_options(folder) if arch == "arm64" else []
    found = run("apt-cache", *options, "search", "linux-image").splitlines()
    package = newest(version, arch, [line.split()[0] for line in found])
    if package is None:
        raise Failed(f"{version}: neither a file nor a kernel that this system's apt knows")
    run("apt-get", *options, "download", package, folder=folder)
    return next(folder.glob("linux-image-*.deb"))


def newest(version: str, arch: str, packages: Iterable[str]) -> str | None:
    """The package with the newest kernel of a version and flavour; "cloud" is amd64's usual one."""
    wanted = re.fullmatch(r"([0-9]+)\.([0-9]+)(?:-(\w+))?", version)
    if wanted is None:
        return None
    major, minor, flavour = wanted.groups()
    ending = {
        ("amd64", None): "cloud-amd64",
        ("arm64", None): "arm64",
        ("arm64", "16k"): "arm64-16k",
    }.get((arch, flavour), f"{flavour}-{arch}")
    name = rf"linux-image-{major}\.{minor}\.[0-9][^-]*(-[0-9]+)?-{ending}"
    matching = [package for package in packages if re.fullmatch(name, package)]
    return max(matching, key=lambda text: list(map(int, re.findall(r"\d+", text))), default=None)


def boot(image: Path, archive: Path, session: Path, options: argparse.Namespace) -> None:
    """Run the guest to its end; its console is our standard output."""
    machine = MACHINES[options.arch]
    line = " ".join([f"console={machine.console} quiet panic=-1 tsc=reliable", *options.append])
    if options.arch == "arm64":  # whose processors tell no name that could say how time passes
        cpu = ["max,pauth-impdef=on"]
    elif options.host_time:
        cpu = [f"max,model-id={CPU_TIMED}"]
    else:
        cpu = [f"max,model-id={INSTRUCTION_CPU}", "-icount", "shift=0,sleep=off"]
    command = [machine.program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    command += ["-smp", str(options.cpus), "-m", options.memory]
    command += ["-accel", "tcg", "-cpu", *cpu]
    command += ["-kernel", str(image), "-initrd", str(archive), "-append", line]
    command += ["-serial", "stdio", "-chardev", f"file,id=out,path={session}", *machine.parts]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=options.limit, check=True)
    except FileNotFoundError:
        raise Failed(
            f"{machine.program} is not installed (Debian: apt-get install {machine.package})"
        ) from None
    except subprocess.CalledProcessError as error:
        raise Failed(f"{machine.program} ended with exit code {error.returncode}") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"timed out after {options.limit:g} s (see --limit): guest killed") from None


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--arch", choices=MACHINES, default="amd64")
    add("--kernel", required=True, metavar="VERSION|FILE", help="a version of Debian's, or a file")
    add("-o", "--output", required=True, type=Path, metavar="FILE", help="store the session there")
    add("--cpus", type=int, default=2, metavar="N")
    add("--memory", default="3G", metavar="SIZE")
    add("--append", action="append", default=[], metavar="WORD", help="for the kernel: maxcpus=1")
    add("--host-time", action="store_true", help="let time pass as on the host")
    add("--limit", type=float, default=3600.0, metavar="SECONDS", help="kill a guest that hangs")
    add("micro", nargs="*", default=EXAMPLE, help=f"micro's arguments: {' '.join(EXAMPLE)}")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> None:
    """Boot, and keep the session file; raises `Failed` or `initramfs.NotInstalled`."""
    if options.output.exists():
        raise Failed(f"{options.output} exists already")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive, session = folder / "initramfs", folder / "session.json"
        if options.arch == "arm64":
            files = arm_root.files(folder, run)
            order = arm_root.order(files, options.micro)
        else:
            files, order = initramfs.own_files(), initramfs.own_order(options.micro)
        image = kernel_image(options.kernel, options.arch, folder)
        initramfs.write(archive, files, order)
        boot(image, archive, session, options)
        try:
            json.loads(session.read_bytes())
        except (OSError, ValueError):
            raise Failed("the guest gave no session file back; its console is above") from None
        shutil.copyfile(session, options.output)


def main() -> int:
    """0 if a session came back."""
    try:
        measure(parse())
    except (Failed, initramfs.NotInstalled) as error:
        print(f"qemu.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
