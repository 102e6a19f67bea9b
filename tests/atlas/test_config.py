"""The table `[atlas]`: what it means, and what cannot be meant, by field."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.atlas.mmdb_writer import mmdb

from gapura.atlas.config import SHIPPED, ListFile, Plan, SourceFile, plan
from gapura.atlas.sources import load
from gapura.atlas.special import Nat64
from gapura.settings import BadSetting


def read(text: str) -> Plan:
    return plan({"atlas": tomllib.loads(text)})


def test_without_a_table_the_shipped_data_are_the_only_source() -> None:
    assert plan({}) == plan({"atlas": {}}) == Plan((SourceFile(SHIPPED),))


def test_everything_that_can_be_said() -> None:
    found = read(
        """
        sources = [{ file = "city.mmdb", name = "city" }, "shipped", { file = "anonymous.mmdb" }]
        nat64 = ["64:ff9b:1::/48"]

        [[networks]]
        file = "egress-ip-ranges.csv"
        kind = "relay"
        name = "apple"
        places = true
        as_of = "2026-11-01"
        """
    )
    assert found.sources == (SourceFile("city.mmdb", "city"), SourceFile("shipped"), SourceFile("anonymous.mmdb"))
    assert found.networks == (ListFile("egress-ip-ranges.csv", "relay", "apple", True, "2026-11-01"),)
    assert found.nat64 == (Nat64.of("64:ff9b:1::/48"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("source = []", "atlas.source: there is no such field (did you mean sources?)"),
        ("sources = 7", "atlas.sources: expected a list"),
        ("sources = []", "atlas.sources: name at least one source"),
        ('sources = ["city.mmdb"]', """atlas.sources[0]: 'city.mmdb' is not "shipped"; write a file as { file = """),
        ('sources = ["shipped", "shipped"]', "atlas.sources: the file 'shipped' stands there twice"),
        ("sources = [{}]", "atlas.sources[0]: Object missing required field `file`"),
        ('sources = [{ file = "" }]', "atlas.sources[0].file: name a .mmdb file"),
        ("sources = [{ file = 7 }]", "atlas.sources[0].file: Expected `str`"),
        ('sources = ["shipped", { fille = "x" }]', "atlas.sources[1].fille: there is no such field (did you mean file"),
        ('sources = [{ file = "x", name = "correction" }]', "atlas.sources[0].name: 'correction' is taken"),
        ('networks = ["x"]', "atlas.networks[0]: expected a table"),
        ('networks = [{ file = "x" }]', "atlas.networks[0].kind: '' is none of relay, tor, vpn, hosting"),
        ('networks = [{ file = "x", kind = "hostng" }]', "(did you mean hosting?)"),
        ('networks = [{ file = "x", kind = "private" }]', "atlas.networks[0].kind: 'private' is none of"),
        ('networks = [{ kind = "tor" }]', "atlas.networks[0]: Object missing required field `file`"),
        ('networks = [{ file = "", kind = "tor" }]', "atlas.networks[0].file: name a file"),
        ('networks = [{ file = "x", kind = "tor", as_of = "May" }]', "atlas.networks[0].as_of: 'May' is no date"),
        ('networks = [{ file = "x", kind = "tor", places = "yes" }]', "atlas.networks[0].places: Expected `bool"),
        (
            'sources = [{ file = "x", name = "a" }]\nnetworks = [{ file = "y", kind = "tor", name = "a" }]',
            "atlas: the name 'a' stands there twice",
        ),
        ('nat64 = ["2001:db8::/44"]', "atlas.nat64[0]: 2001:db8::/44 is no IPv6 network of /32"),
        ('nat64 = "64:ff9b:1::/48"', "atlas.nat64: expected a list"),
    ],
)
def test_what_cannot_be_meant_is_named_by_its_field(text: str, problem: str) -> None:
    with pytest.raises(BadSetting) as refused:
        read(text)
    assert problem in str(refused.value)


def test_atlas_must_be_a_table() -> None:
    with pytest.raises(BadSetting, match="atlas: expected a table"):
        plan({"atlas": "city.mmdb"})


@pytest.mark.parametrize(
    ("of_atlas", "problem"),
    [
        ({"sources": [{"file": "absent.mmdb"}]}, r"atlas\.sources\[0\]\.file: .*absent\.mmdb"),
        ({"sources": ["shipped", {"file": "broken.mmdb"}]}, r"atlas\.sources\[1\]\.file: .*broken\.mmdb is no \.mmdb"),
        ({"networks": [{"file": "absent.txt", "kind": "tor"}]}, r"atlas\.networks\[0\]\.file: .*absent\.txt"),
        ({"networks": [{"file": "broken.mmdb", "kind": "tor"}]}, r"atlas\.networks\[0\]\.file: .*line 1"),
        ({"sources": [{"file": "a/x.mmdb"}, {"file": "b/x.mmdb"}]}, r"atlas\.sources: .*give each a `name`"),
        ({"sources": ["shipped", {"file": "a/x.mmdb", "name": "ipfire"}]}, r"atlas\.sources: .*give each a `name`"),
    ],
)
def test_a_file_that_is_no_use_is_named_by_its_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_atlas: dict[str, Any], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.mmdb").write_text("neither fish nor fowl")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.mmdb").write_bytes(mmdb({"1.0.0.0/8": {"country_code": "SG"}}))
    with pytest.raises(BadSetting, match=problem):
        load(tmp_path, {"atlas": of_atlas})
