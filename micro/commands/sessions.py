"""List the sessions that are stored, the newest last."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from rich.text import Text

from micro.app import stored
from micro.errors import EXIT_OK, EXIT_USAGE
from micro.reports import printable, say
from micro.reports.console import console
from runners.archive.bad_file import BadFile
from runners.archive.baselines import when
from runners.archive.reader import read
from runners.model.amount import amount
from runners.model.session import Session

EXAMPLES = ("micro sessions", "micro sessions --all --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--all", action="store_true", help="list all, not only the newest 20")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print a session a line; a file that cannot be read is named."""
    files = stored.everything()
    if not files:
        say(f"no session is stored yet in {stored.folder()}: run `micro all`")
    shown = files if arguments.all else files[-20:]
    described = [_described(path) for path in shown]
    code = EXIT_USAGE if any("error" in entry for entry in described) else EXIT_OK
    if arguments.json:
        print(json.dumps({"schema": 1, "sessions": described}))
        return code
    out = console(stderr=False)
    for entry in described:
        out.print(Text(printable(_line(entry))), soft_wrap=True)
        if "error" not in entry:
            out.print(Text(printable(f"  {entry['file']}")), soft_wrap=True)
    if len(shown) < len(files):
        out.print(Text(f"{len(files) - len(shown)} older ones: micro sessions --all"))
    return code


def _described(path: Path) -> dict[str, object]:
    began = when(path)
    entry: dict[str, object] = {
        "file": str(path),
        "began": began.isoformat(timespec="seconds") if began else None,
    }
    try:
        session = read(path, visits=False)
    except BadFile as error:
        return {**entry, "error": str(error)}
    return {**entry, **_contents(session)}


def _contents(session: Session) -> dict[str, object]:
    count = Counter(result.status for result in session.results)
    facts = session.environment
    return {
        "system": f"{facts.get('os', '?')} {facts.get('os_release', '')}".strip(),
        "probes": sorted({result.name for result in session.results}),
        "figures": count["ok"] + count["unstable"],
        "unstable": count["unstable"],
    }


def _line(entry: dict[str, object]) -> str:
    began = str(entry["began"] or "?").replace("T", " ").replace("+00:00", " UTC")
    if "error" in entry:
        return f"{began}  {entry['error']}"
    probes = entry["probes"]
    assert isinstance(probes, list)
    what = probes[0] if len(probes) == 1 else amount(len(probes), "probes")
    told = f"{what}, {amount(str(entry['figures']), 'figures')}, {entry['unstable']} unstable"
    return f"{began}  {entry['system']}  {told}"
