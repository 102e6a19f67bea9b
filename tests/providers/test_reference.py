"""The reference says what the tables do."""

from pathlib import Path

from gapura.providers.reference import render

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "providers.md"


def test_the_reference_is_what_the_tables_say() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == render()
