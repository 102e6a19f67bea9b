"""The layouts that vendors write, from files of our own making; never a vendor's data."""

import sys
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

import pytest
from tests.atlas.mmdb_writer import mmdb

from gapura.atlas.base import NOTHING, Found
from gapura.atlas.mmdb import Mmdb, open_file, told
from gapura.terms.place import Network


def file(tmp_path: Path, rows: dict[str, Any], **of: Any) -> Path:
    path = tmp_path / "own.mmdb"
    path.write_bytes(mmdb(rows, **of))
    return path


def find(source: Mmdb, address: str) -> Found:
    return source.find(inet_pton(AF_INET6 if ":" in address else AF_INET, address))


CITY = {
    "1.0.0.0/8": {"country": {"iso_code": "UA"}, "subdivisions": [{"iso_code": "43", "names": {"en": "Krym"}}]},
    "1.2.3.0/24": {"country": {"iso_code": "CN"}},
    "2a00::/16": {"country": {"iso_code": "HK"}},
}


def test_a_file_of_cities(tmp_path: Path) -> None:
    source = open_file(file(tmp_path, CITY), "city")
    assert (source.name, source.as_of, source.title) == ("city", "2026-06-01", "Test-City")
    assert find(source, "1.0.0.7") == Found("UA", "UA-43")
    assert find(source, "1.2.3.4") == Found("CN")
    assert find(source, "2a00::1") == Found("HK")
    assert find(source, "9.9.9.9") == find(source, "2b00::1") == NOTHING
    assert dict(source.rows())["1.2.3.0/24"] == Found("CN")


def test_its_name_is_the_files_own_where_none_is_given(tmp_path: Path) -> None:
    assert open_file(file(tmp_path, CITY)).name == "own"


def test_ipv6_asked_of_a_file_of_ipv4(tmp_path: Path) -> None:
    source = open_file(file(tmp_path, {"1.0.0.0/8": {"country_code": "SG"}}, version=4))
    assert (find(source, "1.0.0.1"), find(source, "2a00::1")) == (Found("SG"), NOTHING)


@pytest.mark.parametrize(
    ("record", "code", "part"),
    [
        # MaxMind
        ({"country": {"iso_code": "FR"}, "registered_country": {"iso_code": "DE"}}, "FR", ""),
        ({"registered_country": {"iso_code": "DE"}}, "DE", ""),
        ({"country": {"iso_code": "FR"}, "represented_country": {"iso_code": "IR"}}, "FR", ""),
        ({"represented_country": {"iso_code": "US", "type": "military"}}, "", ""),
        ({"continent": {"code": "EU"}}, "", ""),
        ({"country": {"iso_code": "US"}, "subdivisions": [{"iso_code": "CA"}, {"iso_code": "06"}]}, "US", "US-CA"),
        ({"country": {"iso_code": "US"}, "subdivisions": []}, "US", ""),
        ({"subdivisions": [{"iso_code": "CA"}]}, "", ""),
        # DB-IP: MaxMind's layout, subdivisions by name alone
        ({"country": {"iso_code": "AU"}, "subdivisions": [{"names": {"en": "Queensland"}}]}, "AU", ""),
        # IPinfo: Lite, and its elder
        ({"country": "Canada", "country_code": "CA", "continent_code": "NA", "asn": "AS174"}, "CA", ""),
        ({"country": "JP", "country_name": "Japan", "continent": "AS"}, "JP", ""),
        ({"country": "Canada"}, "", ""),
        # pseudo-codes are handed on
        ({"country": {"iso_code": "A1"}}, "A1", ""),
        # what is no layout at all
        ({}, "", ""),
        ({"country": {"iso_code": 7}}, "", ""),
        ({"country": ["US"]}, "", ""),
        ("US", "", ""),
        (None, "", ""),
    ],
)
def test_where_a_record_says_an_address_is(record: object, code: str, part: str) -> None:
    assert told(record) == Found(code, part)


@pytest.mark.parametrize(
    ("record", "network"),
    [
        ({"is_anonymous": True, "is_hosting_provider": True}, "hosting"),
        ({"is_anonymous": True, "is_hosting_provider": True, "is_anonymous_vpn": True}, "vpn"),
        ({"is_anonymous_vpn": True, "is_tor_exit_node": True}, "tor"),
        ({"is_public_proxy": True}, "vpn"),
        ({"is_residential_proxy": True}, "vpn"),
        ({"traits": {"is_anonymous_vpn": True}}, "vpn"),
        ({"vpn": False, "proxy": False, "tor": False, "relay": True, "hosting": True, "service": "x"}, "relay"),
        ({"hosting": "true", "vpn": "false", "service": ""}, "hosting"),
        ({"is_hosting_provider": False}, ""),
        ({"connection_type": "Cellular"}, "mobile"),
        ({"connection_type": "Corporate"}, "corporate"),
        ({"connection_type": "Cable/DSL"}, "residential"),
        ({"connection_type": "Satellite"}, ""),
    ],
)
def test_what_kind_of_network_a_record_tells(record: object, network: Network) -> None:
    assert told(record) == Found("", "", network)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no .mmdb file"),
        (b"not an mmdb at all", "no .mmdb file"),
        (mmdb(CITY)[:-40], "no .mmdb file"),
        (mmdb({"1.0.0.0/8": {"autonomous_system_number": 174}}, "GeoLite2-ASN"), "GeoLite2-ASN.*neither places"),
    ],
)
def test_what_is_no_use_is_refused_by_name(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "wrong.mmdb"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"wrong\.mmdb.*{problem}"):
        open_file(path)


def test_a_damaged_record_is_not_sure_instead_of_unknown(tmp_path: Path) -> None:
    data = bytearray(mmdb({"1.0.0.0/8": {"country": {"iso_code": "SG"}}, "2.0.0.0/8": {"country": {"iso_code": "CN"}}}))
    at = data.index(b"CN") - 1
    data[at] = 0x5F  # a text longer than the file
    path = tmp_path / "damaged.mmdb"
    path.write_bytes(data)
    source = open_file(path)
    assert (find(source, "1.0.0.1").code, find(source, "2.0.0.1").code) == ("SG", "??")


def test_a_missing_file_and_a_missing_extra_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "absent.mmdb")
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'gapura\[mmdb\]'"):
        open_file(file(tmp_path, CITY))


def test_equal_files_have_equal_digests(tmp_path: Path) -> None:
    one, other = open_file(file(tmp_path, CITY)), open_file(file(tmp_path, CITY))
    changed = open_file(file(tmp_path, CITY | {"3.0.0.0/8": {"country_code": "SG"}}))
    assert one.digest == other.digest != changed.digest
