"""What an address tells, from whatever data there are."""

import hashlib
import json
import lzma
import sys
import tomllib
from datetime import date
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas import sources
from gapura.atlas.ranges import Ranges, Row
from gapura.atlas.sources import Atlas, Packed, load
from gapura.terms.place import Located, SourceAnswer


def row(first: str, last: str, code: str) -> Row:
    return int(ip_address(first)), int(ip_address(last)), code


SMALL = Ranges.of(
    [
        row("1.0.0.0", "1.0.0.255", "AU"),
        row("1.0.1.0", "1.0.3.255", "CN"),
        row("2.0.0.0", "2.0.0.255", "EU"),
        row("2.0.1.0", "2.0.1.255", "??"),
        row("2.0.2.0", "2.0.2.255", "UK"),
        row("2.0.3.0", "2.0.3.255", "CS"),
        row("10.0.0.0", "10.0.0.255", "US"),
    ],
    [row("2002::", "2002:ffff::", "US"), row("2a00::", "2a00:0:0:ffff:ffff:ffff:ffff:ffff", "HK")],
)


@pytest.fixture
def atlas() -> Atlas:
    return Atlas([Packed(SMALL, "small", "2026-06-25")])


@pytest.mark.parametrize(
    ("address", "territory", "certainty", "code"),
    [
        ("1.0.0.7", "AU", "certain", "AU"),
        ("1.0.1.0", "CN", "certain", "CN"),
        ("2a00::1", "HK", "certain", "HK"),
        ("::ffff:1.0.1.0", "CN", "certain", "CN"),
        ("64:ff9b::1.0.1.0", "CN", "certain", "CN"),
        ("2002:100:100::1", "CN", "certain", "CN"),
        ("2.0.0.1", "", "uncertain", "EU"),
        ("2.0.1.1", "", "uncertain", "??"),
        ("2.0.3.1", "", "uncertain", "CS"),
        ("2.0.2.1", "GB", "certain", "UK"),
        ("3.0.0.1", "", "unknown", ""),
        ("2b00::1", "", "unknown", ""),
    ],
)
def test_a_public_address_has_a_place_or_says_why_not(
    atlas: Atlas, address: str, territory: str, certainty: str, code: str
) -> None:
    for found in (atlas.locate(address), atlas.locate(address)):
        assert (found.territory, found.certainty, found.kind) == (territory, certainty, "public")
        assert found.answers == (SourceAnswer("small", code, "2026-06-25"),)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "::1", "fe80::1", "fd00::1", "203.0.113.7", "::ffff:10.0.0.1", "2002:a00:1::"]
)
def test_a_private_address_is_absent_even_if_the_data_place_it(atlas: Atlas, address: str) -> None:
    found = atlas.locate(address)
    assert (found.territory, found.certainty, found.kind, found.network) == ("", "absent", "private", "private")
    assert (found.answers, found.confidence) == ((), 0.0)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "1.2.3",
        "01.2.3.4",
        "1.2.3.4:80",
        "[::1]",
        "fe80::1%eth0",
        "1.2.3.4 ",
        "1.2.3.4\0",
        "\ud800",
        ":" * 9999,
    ],
)
def test_what_is_no_bare_address_is_malformed(atlas: Atlas, address: str) -> None:
    assert atlas.locate(address) == Located("", "absent", "malformed")


@given(st.text() | st.ip_addresses().map(str))
def test_any_text_has_an_answer_and_the_same_one_again(text: str) -> None:
    atlas = Atlas([Packed(SMALL, "small", "2026-06-25")])
    assert atlas.locate(text) == atlas.locate(text)


def test_memory_is_bounded(atlas: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_REMEMBERED", 10)
    for n in range(100):
        assert atlas.locate(f"1.0.1.{n}").territory == "CN"
        atlas.locate(f"garbage {n}")
        assert len(atlas._known) <= 10
    assert atlas._known.keys() <= {f"1.0.1.{n}" for n in range(100)}


def test_the_package_is_found_and_knows_its_date() -> None:
    atlas = load()
    assert atlas.as_of >= "2026-06-25"
    assert atlas.locate("8.8.8.8").answers == (SourceAnswer("ipfire", "US", atlas.as_of),)
    assert atlas.locate("2001:da8::1").territory == "CN"
    assert atlas.locate("165.21.83.88").territory == "SG"


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gapura_atlas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install gapura-atlas"):
        load()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With place data of its own, newer than the package's."""
    data = lzma.compress(SMALL.dump())
    meta = json.loads((sources.package() / "meta.json").read_text())
    meta |= {"as_of": "2030-01-01", "sha256": {"ranges.xz": hashlib.sha256(data).hexdigest()}}
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas/ranges.xz").write_bytes(data)
    (tmp_path / "atlas/meta.json").write_text(json.dumps(meta))
    return tmp_path


def test_data_in_the_home_go_before_the_package(home: Path) -> None:
    assert load(home).as_of == "2030-01-01"
    assert load(home).locate("8.8.8.8").certainty == "unknown"
    assert load(home / "elsewhere").as_of == load().as_of


def test_damaged_data_are_refused(home: Path) -> None:
    data = bytearray((home / "atlas/ranges.xz").read_bytes())
    data[100] ^= 1
    (home / "atlas/ranges.xz").write_bytes(data)
    with pytest.raises(ValueError, match=r"ranges\.xz is not the file"):
        load(home)


def test_data_of_another_format_are_refused(home: Path) -> None:
    meta = json.loads((home / "atlas/meta.json").read_text())
    (home / "atlas/meta.json").write_text(json.dumps(meta | {"format": 2}))
    with pytest.raises(ValueError, match="format 2"):
        load(home)


def test_the_package_carries_its_date_and_its_attribution() -> None:
    folder = Path(__file__).parents[2] / "packages/gapura-atlas"
    meta = json.loads((sources.package() / "meta.json").read_text())
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert date(*map(int, project["version"].split("."))).isoformat() == meta["as_of"]
    assert meta["licence"] == "CC-BY-SA-4.0" and meta["licence"] in project["license"]
    text = (folder / "ATTRIBUTION.md").read_text()
    assert all(said in text for said in ("IPFire", meta["url"], meta["licence_url"]))
