from pathlib import Path

import click
import pytest

from gapura.cli.output import Output, once, pairs, safe, table


def bare(text: str) -> list[str]:
    return click.unstyle(text).splitlines()


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    rows = [{"name": "a", "n": 5, "created_at": 0}, {"name": "环球", "n": 1234, "created_at": 1_720_483_200_000_000}]
    assert bare(table(rows, ("name", "n", "created_at"))) == [
        "name     n  created at",
        "a        5  -",
        "环球  1234  2024-07-09T00:00:00Z",
    ]


def test_nothing_is_said_as_none() -> None:
    assert table([], ("name",)) == "none"


def test_values_are_told_as_people_read_them() -> None:
    told = pairs({"a": True, "bc": ["x", "y"], "d": {}, "e": None, "f": {"k": 1}})
    assert told.splitlines() == ["a   yes", "bc  x, y", "d   -", "e   -", "f   k 1"]


def test_a_name_cannot_drive_the_terminal() -> None:
    assert "\x1b" not in safe("\x1b]0;owned\x07") and "\u202e" not in safe("a\u202eb")
    assert "\x1b[2J" not in table([{"name": "\x1b[2Jx"}], ("name",))


def test_a_second_secret_of_the_same_name_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = (once(secret, "link", Output("x", as_json=False)) for secret in ("a", "b"))
    assert (Path(first).read_text(), Path(second).read_text()) == ("a\n", "b\n")
    assert Path(second).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("no_color", "bold"), [("", True), ("1", False)])
def test_no_color(monkeypatch: pytest.MonkeyPatch, no_color: str, *, bold: bool) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    said: list[bool | None] = []
    monkeypatch.setattr("click.echo", lambda *_, color=None, **__: said.append(color))
    Output("x", as_json=False).say([], lambda: "words")
    assert said == [None if bold else False]
