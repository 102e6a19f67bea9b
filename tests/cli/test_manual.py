from pathlib import Path

from gapura.cli.manual import describe

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_page_is_what_the_commands_are() -> None:
    assert PAGE.read_text() == describe(), "python -m gapura.cli.manual > docs/reference/cli.md"
