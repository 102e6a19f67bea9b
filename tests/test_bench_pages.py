"""The page on speed says nothing that its results do not show."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "explanation" / "speed.md").read_text("utf-8")
RESULTS = json.loads((ROOT / "bench" / "results" / "speed-2026-11-22.json").read_text("utf-8"))
NUMBER = re.compile(r"(?<!\w)\d[\d,]*(?:\.\d+)?")


def numbers(found: Any) -> set[float]:
    if isinstance(found, dict | list):
        return set().union(*map(numbers, found.values() if isinstance(found, dict) else found))
    return {float(found)} if isinstance(found, int | float) else set()


def test_each_measured_number_stands_in_the_results() -> None:
    """Those in tables: in the first column stand names."""
    known = numbers(RESULTS)
    rows = [line.split("|")[2:] for line in PAGE.splitlines() if line.startswith("| ")]
    said = {number for row in rows for cell in row for number in NUMBER.findall(cell)}
    assert len(said) > 50
    assert {number for number in said if float(number.replace(",", "")) not in known} == set()
