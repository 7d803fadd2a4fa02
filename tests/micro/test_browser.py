"""The report in a real browser: headless Chromium, where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sample_systems import HOSTILE, hostile_session, system_session

from micro.reports.insights.comparison import compare
from micro.reports.insights.systems import of_sessions
from micro.reports.web.page import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
DEADLINE_S = 240


def browse(page: str, folder: Path, *options: str) -> tuple[str, list[str]]:
    """The document as the browser has it, and what it complained of on its console."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-dev-shm-usage", "--enable-logging=stderr", *options,
        f"--user-data-dir={folder / 'profile'}", path.as_uri(),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 and b"CONSOLE" not in err:
        pytest.skip(f"chromium does not run here: exit code {process.returncode}")
    said = [line for line in err.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return out.decode("utf-8"), said


def page_of(*sessions) -> str:
    return report(compare(of_sessions([[session] for session in sessions])))


LINUX = system_session()
GVISOR = system_session(5, lambda n: 1 + n / 500, os="gvisor", os_release="4.4.0")


def test_the_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    document, said = browse(page_of(LINUX, GVISOR), tmp_path, "--dump-dom")
    assert said == []
    assert document.count("<figure ") >= 6
    assert document.count('role="img"') == document.count("<figure ")
    assert "Linux 6.1 is flat in 2 of 3 curves" in document


def test_the_browser_would_complain_of_a_handler_or_a_style(tmp_path: Path) -> None:
    page = page_of(LINUX).replace(
        "<main>", '<main style="color:red"><script>document.title=1</script>'
    )
    document, said = browse(page, tmp_path, "--dump-dom")
    assert len(said) >= 2
    assert "<title>1</title>" not in document


@pytest.mark.parametrize("hostile", HOSTILE[:3])
def test_texts_from_files_do_nothing(hostile: str, tmp_path: Path) -> None:
    document, said = browse(page_of(hostile_session(hostile), LINUX), tmp_path, "--dump-dom")
    assert said == []
    assert "<script" not in document
    assert "<img" not in document


@pytest.mark.parametrize("size", ["1200,2000", "390,2000"])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_picture_of_it_is_not_blank(size: str, mode: str, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    options = [f"--window-size={size}", f"--screenshot={picture}", "--hide-scrollbars"]
    browse(page_of(LINUX, GVISOR), tmp_path, *options, *["--force-dark-mode"] * (mode == "dark"))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000


def test_it_prints(tmp_path: Path) -> None:
    paper = tmp_path / "paper.pdf"
    browse(page_of(LINUX, GVISOR), tmp_path, f"--print-to-pdf={paper}")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert paper.read_bytes().startswith(b"%PDF")
    assert pages >= 3
