"""docs/how-to/whom-would-a-list-hit.md: its commands are typed as written, and what it shows is what is seen."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.test_readme import ROOT, blocks, masked

PAGE = "docs/how-to/whom-would-a-list-hit.md"


def test_the_path_from_a_log_to_a_decision(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    environ = {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    for code, shown in blocks(PAGE, ""):
        if code.startswith("pip "):
            continue  # it is installed here
        ran = subprocess.run(
            ["bash", "-ec", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{code}\n{ran.stderr}"
        # Between tables there are empty lines, which say nothing.
        assert list(filter(None, masked(ran.stdout))) == list(filter(None, masked(shown))), f"{code}\n{ran.stdout}"
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="https?://', page)
