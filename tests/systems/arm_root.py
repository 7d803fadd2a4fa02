"""The root of a 64-bit Arm guest: Debian's Python, what micro requires, and this checkout.

The workloads are compiled here by Debian's cross compiler. Nothing is installed on this system:
apt-get keeps its lists and packages for arm64 below a folder of this run's own. It needs the
packages ``gcc-aarch64-linux-gnu``, and ``cmake ninja cython`` in this Python.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import initramfs

ROOT = Path(__file__).resolve().parents[2]
COMPILER = "aarch64-linux-gnu-gcc"
PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "dash")
#: Of the newest wheels, by the oldest C library that they run with.
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
#: Where the guest has this checkout, and what it requires.
FOLDER, SITE = Path("/micro"), Path("/site")
UNUSED = re.compile(r"/(?:usr/share/(?:doc|man|locale|info|perl5)|site/.*/tests)/")

#: Sources that were compiled, and what was compiled for this system.
NO_PYTHON = shutil.ignore_patterns("*.pyx", "*.pxd", "*.[ch]", "*.so", "micro-*", "__pycache__")

Run = Callable[..., str]


def apt_options(folder: Path) -> list[str]:
    """Options of apt-get and apt-cache: they know arm64 alone, and nothing that is installed."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "state/status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",  # who else may not write to a folder of ours
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state/status",
        "Dir::Cache": folder / "cache",
    }
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def files(folder: Path, run: Run) -> dict[Path, Path]:
    """What the guest holds, by its path there; all of it is made below ``folder``."""
    root = folder / "root"
    root.mkdir()
    run("apt-get", *apt_options(folder), "update")
    wanted = ("install", "--download-only", "-y", "--no-install-recommends", *PACKAGES)
    run("apt-get", *apt_options(folder), *wanted)
    for package in sorted((folder / "cache/archives").glob("*.deb")):
        run("dpkg-deb", "-x", package, root)
    add_requirements(root, python_of(root), folder / "wheels", run)
    add_checkout(root, folder / "build", run)
    return dict(walk(root))


def python_of(root: Path) -> str:
    """The version of the Python that was unpacked there: ``3.11``."""
    found = [path.name.removeprefix("python") for path in (root / "usr/bin").glob("python3.*")]
    return max(found, key=lambda version: int(version.partition(".")[2]))


def add_requirements(root: Path, python: str, wheels: Path, run: Run) -> None:
    """What micro requires, as wheels for that Python."""
    names = sorted(initramfs.required("osmicro") - {"osmicro"})
    version = python.replace(".", "")
    tags = [("--platform", name) for name in PLATFORMS]
    tags += [("--abi", name) for name in (f"cp{version}", "abi3", "none")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    run(*command, *(word for tag in tags for word in tag), "-d", wheels, *names)
    for wheel in wheels.glob("*.whl"):
        shutil.unpack_archive(wheel, root / SITE.relative_to("/"), "zip")


def add_checkout(root: Path, build: Path, run: Run) -> None:
    """The packages' Python files, and the workloads compiled for Arm."""
    target = root / FOLDER.relative_to("/")
    for package in initramfs.PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=NO_PYTHON)
    about = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": "aarch64",
        "CMAKE_C_COMPILER": COMPILER,
        "SKBUILD_SABI_COMPONENT": "Development.SABIModule",
        "SKBUILD_SABI_VERSION": "3.11",
        "Python_EXECUTABLE": sys.executable,
        "Python_INCLUDE_DIR": sysconfig.get_path("include"),  # alike on every 64-bit Linux
    }
    options = [f"-D{name}={value}" for name, value in about.items()]
    run("cmake", "-S", ROOT / "cyext", "-B", build, "-G", "Ninja", *options)
    run("cmake", "--build", build)
    run("cmake", "--install", build, "--prefix", target)


def walk(root: Path) -> Iterable[tuple[Path, Path]]:
    """The files and symbolic links below a folder, by their paths in the guest."""
    for place, folders, names in os.walk(root):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        for name in (*names, *linked):
            path = Path(place, name)
            inside = Path("/") / path.relative_to(root)
            if not UNUSED.search(f"{inside}"):
                yield inside, path


def order(found: Mapping[Path, Path], arguments: list[str]) -> initramfs.Order:
    """How the guest runs micro with these arguments."""
    (python,) = (path for path in found if re.fullmatch(r"/usr/bin/python3\.\d+", f"{path}"))
    return initramfs.Order(str(python), str(FOLDER), [str(FOLDER), str(SITE)], arguments, "ttyS0")
