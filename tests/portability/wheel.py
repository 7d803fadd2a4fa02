"""Build the sdist, from it the wheel, install that elsewhere, and measure something with it.

    python tests/portability/wheel.py [INTERPRETER ...]

The wheel, built by the running Python, must serve every interpreter named (``python3.13``, a path):
it is installed in a fresh virtual environment of each, every workload imported and one probe run.
What micro requires comes from the network.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Run with the installed package, away from the checkout.
IMPORT_ALL = """
import importlib, pathlib, cyext
folder = pathlib.Path(cyext.__file__).parent
modules = folder.glob("*/*.so")
names = sorted({f"{path.parent.name}.{path.name.partition('.')[0]}" for path in modules})
for name in names:
    importlib.import_module(f"cyext.{name}")
print(len(names))
"""


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """The standard output of a command that must succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=folder, env=kept, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Run pip."""
    run(python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments)


def install_and_measure(interpreter: str, wheel: Path, folder: Path) -> str:
    """Try the wheel with one interpreter; one line that says what it did."""
    environment = folder / "environment"
    run(interpreter, "-m", "venv", "--clear", environment)
    python = environment / "bin" / "python"
    pip(python, "install", wheel)
    workloads = run(python, "-c", IMPORT_ALL, folder=folder).strip()
    micro = environment / "bin" / "micro"
    told = json.loads(run(micro, "run", "fd.open_close", "--quick", "--json", "-q", folder=folder))
    statuses = {result["status"] for result in told["results"]}
    assert statuses <= {"ok", "unstable"}, f"{interpreter}: fd.open_close is {statuses}"
    try_outside_a_checkout(micro, folder / "elsewhere")
    version = run(python, "-V").strip()
    return (
        f"{wheel.name} with {version}: {workloads} workloads imported, fd.open_close measured; "
        "baselines and documentation are found"
    )


def try_outside_a_checkout(micro: Path, folder: Path) -> None:
    """Nothing of a user's goes into the package, and its pages are there."""
    folder.mkdir(exist_ok=True)
    data = folder / "data"
    os.environ["XDG_DATA_HOME"] = str(data)
    place = Path(run(micro, "baseline", "path", folder=folder).strip())
    assert place.is_relative_to(data), f"`baseline path` is {place}, outside {data}"
    session = folder / "session.json"
    run(micro, "run", "fd.open_close", "--quick", "-q", "-o", session, folder=folder)
    run(micro, "baseline", "accept", session, "--force", "a test", folder=folder)
    assert list(place.glob("*.json.gz")), f"`baseline accept` stored nothing in {place}"
    assert "fd.open_close" in run(micro, "list", folder=folder)
    pages = sorted(path.stem for path in ROOT.glob("docs/*.md"))
    listed = [line.split()[0] for line in run(micro, "help", folder=folder).splitlines()]
    assert listed == pages, f"`micro help` lists {listed}, the checkout has {pages}"
    assert run(micro, "help", "gate", folder=folder).startswith("# The gate")
    session.unlink()


def main() -> None:
    """Build the wheel and try it; ends with an error where it does not work."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "venv", folder / "builder")
        builder = folder / "builder" / "bin" / "python"
        pip(builder, "install", "build")
        # By way of the sdist: the wheel then shows that nothing is missing from that.
        run(builder, "-m", "build", "--outdir", folder / "dist", ROOT)
        (wheel,) = folder.glob("dist/*.whl")
        for interpreter in sys.argv[1:] or [sys.executable]:
            print(install_and_measure(interpreter, wheel, folder), flush=True)


if __name__ == "__main__":
    main()
