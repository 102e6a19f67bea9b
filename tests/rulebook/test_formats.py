"""TOML and YAML: the same document either way, and what YAML would misread."""

import sys
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.rulebook.documents import BadDocument
from gapura.rulebook.formats import format_of, parse
from gapura.rulebook.read import read_policies

TOML = b"""
[[policies]]
pack = "openai/api"
rules = [{ id = "r", effect = "warn", territories = ["NO", "Sweden"], from = 2024-07-09T00:00:00+08:00 }]
phases = [{ effect = "block", from = 2024-07-09T00:00:00, zone = "Asia/Shanghai" }]
exceptions = [{ account = "0123", reason = "no" }]
"""
YAML = b"""
policies:
  - pack: openai/api
    rules:
      - {id: r, effect: warn, territories: ["NO", Sweden], from: 2024-07-09T00:00:00+08:00}
    phases:
      - effect: block
        from: 2024-07-09 00:00:00
        zone: Asia/Shanghai
    exceptions:
      - account: "0123"
        reason: "no"
"""


def test_the_same_document_either_way() -> None:
    assert parse(TOML) == parse(YAML, "yaml")
    assert read_policies(parse(TOML), []) == read_policies(parse(YAML, "yaml"), [])
    assert parse(b"\xef\xbb\xbf" + TOML) == parse(TOML)


@pytest.mark.parametrize(
    ("name", "expected"), [("a.yaml", "yaml"), ("a.b/x.YML", "yaml"), ("x.toml", "toml"), ("x", "toml"), ("-", "toml")]
)
def test_the_format_by_the_name(name: str, expected: str) -> None:
    assert format_of(name) == expected


def test_nothing_is_nothing() -> None:
    assert parse(b"") == parse(b"# nothing\n", "yaml") == parse(b"", "yaml") == {}


def test_what_yaml_reads_as_people_do() -> None:
    tables = parse(b"a: true\nb: [1, -2, 0]\nc: 2024-07-09T00:00:00+08:00\nd: 2024-07-09\ne: 'no'\n", "yaml")
    east = timezone(timedelta(hours=8))
    assert tables == {
        "a": True,
        "b": [1, -2, 0],
        "c": datetime(2024, 7, 9, tzinfo=east),
        "d": date(2024, 7, 9),
        "e": "no",
    }


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (
            "territories: [SE, NO]",
            'line 1: YAML reads NO as true or false; write it in quotes; if Norway is meant, write "NO"',
        ),
        ("a:\n  - no", 'line 2: YAML reads no as true or false; write it in quotes; if Norway is meant, write "NO"'),
        ("a: off", "line 1: YAML reads off as true or false; write it in quotes"),
        ("a: Yes", "line 1: YAML reads Yes as true or false; write it in quotes"),
        ("account: 0123", "line 1: YAML reads 0123 as a number; write it in quotes"),
        ("a: 12:30:00", "line 1: YAML reads 12:30:00 as a number; write it in quotes"),
        ("a: 0x1f", "line 1: YAML reads 0x1f as a number; write it in quotes"),
        ("partial:\n  NO: x", "line 2: YAML does not read the key 'NO' as text; write it in quotes"),
        ("1: x", "line 1: YAML does not read the key '1' as text; write it in quotes"),
        ("a: 1\nb: 2\na: 3", "line 3: a stands there twice"),
        ("a: &x [1]\nb: *x", "line 1: anchors and aliases are not read; write it out where it is meant"),
        ("a: !!python/object:os.system x", "document: no YAML: could not determine a constructor"),
        ("a: [1", "document: no YAML: while parsing a flow sequence"),
        ("---\na: 1\n---\nb: 1", "document: no YAML: expected a single document"),
        ("- a", "document: expected tables, as policies:"),
        ("a: \x01", "document: no YAML: unacceptable character"),
    ],
)
def test_what_yaml_would_misread(yaml: str, message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        parse(yaml.encode(), "yaml")
    assert str(caught.value).startswith(message)


def test_a_short_document_is_no_endless_one() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    with pytest.raises(BadDocument, match="anchors and aliases are not read"):
        parse(bomb.encode(), "yaml")


@pytest.mark.parametrize(
    ("toml", "message"),
    [(b"a = ", "document: no TOML: Invalid value"), (b"a = 1\na = 2", "document: no TOML: Cannot overwrite")],
)
def test_what_is_no_toml(toml: bytes, message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        parse(toml)
    assert str(caught.value).startswith(message)


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(BadDocument, match=r"need the extra yaml: pip install 'gapura\[yaml\]'"):
        parse(YAML, "yaml")
    assert parse(TOML)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from(["toml", "yaml"]))
def test_whatever_comes_is_tables_or_refused(content: bytes, written_in: str) -> None:
    try:
        assert isinstance(parse(content, "yaml" if written_in == "yaml" else "toml"), dict)
    except BadDocument as error:
        assert error.path  # noqa: PT017 - most of what comes is refused, and some is not
