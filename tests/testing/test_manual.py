"""The manual's own provider, and its own test of it."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-provider.md"


def test_the_manuals_provider_passes_the_manuals_test(monkeypatch: pytest.MonkeyPatch) -> None:
    written, tested = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    acme, tests = ModuleType("gapura_acme"), ModuleType("test_acme")
    monkeypatch.setitem(sys.modules, "gapura_acme", acme)
    exec(compile(written, str(PAGE), "exec"), acme.__dict__)
    exec(compile(tested, str(PAGE), "exec"), tests.__dict__)
    tests.test_acme()
