"""SDKs and clients in environments of their own: programs that tests start, and that print one JSON."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"


def python(name: str) -> Path:
    """The interpreter of the environment that `tests/environments.sh` makes under this name."""
    return ROOT / f".venv-{name}" / "bin" / "python"


def found(program: Path, arguments: Sequence[str], *, by: Path, needs: Path | None = None) -> Any:
    """What the program, run by this interpreter, printed.

    Where `needs` (or the interpreter itself) is not there the test is skipped, except in CI, which must have all.
    """
    if not (needs or by).exists():
        how = f"{program.parent.relative_to(ROOT)}/prepare.sh makes what {program.name} needs"
        if os.environ.get("CI"):
            pytest.fail(how)
        pytest.skip(how)
    # SDKs honour proxies, keys and base URLs of the environment: they get none.
    environ = {"PATH": "", "HOME": str(ROOT / "nowhere"), "NO_PROXY": "*"}
    command = [str(by), str(program), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environ, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
