"""Lists of networks: every format that is read, every line that is not, and which kind holds where several match."""

import json
import os
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.base import STRONGEST
from gapura.atlas.config import KINDS
from gapura.atlas.networks import BadList, Listed, Networks, read
from gapura.atlas.prefixes import flat, span
from gapura.terms.place import Network, SourceAnswer


def kinds(folder: Path, *lists: tuple[str, Network]) -> Networks:
    made = []
    for number, (text, kind) in enumerate(lists):
        path = folder / f"list{number}"
        path.write_text(text)
        made.append(read(path, kind, as_of="2026-11-01"))
    return Networks.of(made)


def kind(networks: Networks, address: str) -> str | None:
    found = networks.find(ip_address(address).packed)
    return found and found.network


PLAIN = """
# exits, one a line
192.0.2.7            ; with a comment
198.51.100.0/24
  2001:db8::/32
203.0.113.9/24
"""
TOR = """
ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E
Published 2026-11-20 23:53:59
LastStatus 2026-11-21 19:00:00
ExitAddress 192.0.2.7 2026-11-21 19:31:46
"""
CLOUD = json.dumps(
    {
        "syncToken": "1",
        "createDate": "2026-11-21-20-13-11",
        "prefixes": [{"ip_prefix": "192.0.2.0/24", "region": "ap-southeast-1"}],
        "ipv6_prefixes": [{"ipv6_prefix": "2001:db8::/32", "service": "::no address::", "version": "1.2"}],
    }
)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (PLAIN, ["192.0.2.7", "198.51.100.0", "198.51.100.255", "2001:db8::1", "203.0.113.200"], ["192.0.2.8", "::1"]),
        (TOR, ["192.0.2.7"], ["192.0.2.6"]),
        (CLOUD, ["192.0.2.255", "2001:db8:ffff::1"], ["192.0.3.0", "0.0.0.1", "2001:db9::"]),
        ("\ufeff192.0.2.7\r\n", ["192.0.2.7"], []),
        ("192.0.2.0/24,SG,SG-01,Singapore,", ["192.0.2.1"], []),
        ("", [], ["192.0.2.7", "2001:db8::1"]),
    ],
)
def test_the_formats_that_are_read(tmp_path: Path, text: str, inside: list[str], outside: list[str]) -> None:
    networks = kinds(tmp_path, (text, "tor"))
    assert {kind(networks, address) for address in inside} <= {"tor"}
    assert {kind(networks, address) for address in outside} <= {None}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("192.0.2.7\n192.0.2.256\n", "line 2: '192.0.2.256'"),
        ("<html>", "line 1: '<html>'"),
        ("192.0.2.0/33", "line 1"),
        ("192.0.2.0/", "line 1"),
        ("0.0.0.0/0", "line 1"),
        ("192.0.2.0-192.0.2.9", "line 1"),
        ("exit.example.com", "line 1"),
        ('{"prefixes": [', "list0: "),
        ("\xff", "list0, line 1"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(BadList, match=where) as refused:
        kinds(tmp_path, (text, "vpn"))
    assert "list0" in str(refused.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadList, match="list"):
        read(tmp_path / "list", "vpn")


APPLE = (
    "192.0.2.0/24,GB,GB-ENG,London,\n198.51.100.0/31,US,US-CA,\n2001:db8::/64,XX,XX-1,,\n203.0.113.0/24,FR,GB-ENG,,\n"
)


def test_a_relay_states_where_its_users_are(tmp_path: Path) -> None:
    networks = kinds(tmp_path, (APPLE, "relay"))

    def stated(address: str) -> SourceAnswer | None:
        found = networks.find(ip_address(address).packed)
        assert found is not None and found.network == "relay"
        return found.place

    assert stated("192.0.2.9") == SourceAnswer("list0", "GB", "2026-11-01", "GB-ENG", "relay")
    assert stated("198.51.100.1") == SourceAnswer("list0", "US", "2026-11-01", "US-CA", "relay")
    assert stated("2001:db8::1") is None
    assert stated("203.0.113.1") == SourceAnswer("list0", "FR", "2026-11-01", "", "relay")


def test_what_stands_behind_other_prefixes_is_no_place_unless_it_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(APPLE)
    address = ip_address("192.0.2.9").packed
    for kind_, places, expected in (("hosting", None, False), ("hosting", True, True), ("relay", False, False)):
        found = Networks.of([read(tmp_path / "own.csv", kind_, places=places)]).find(address)  # type: ignore[arg-type]
        assert found is not None and (found.place is not None) == expected


def test_the_strongest_kind_holds_wherever_it_stands(tmp_path: Path) -> None:
    for weaker, stronger in pairwise(reversed(KINDS)):
        for lists in (((wide, weaker), (narrow, stronger)) for wide, narrow in (("192.0.2.0/24", "192.0.2.7"),) * 2):
            networks = kinds(tmp_path, *lists)
            assert (kind(networks, "192.0.2.7"), kind(networks, "192.0.2.8")) == (stronger, weaker)
        networks = kinds(tmp_path, ("192.0.2.0/24", stronger), ("192.0.2.7", weaker))
        assert (kind(networks, "192.0.2.7"), kind(networks, "192.0.2.8")) == (stronger, stronger)
    assert STRONGEST[1:-1] == KINDS and KINDS[0] == "relay"


def test_every_list_that_has_the_address_is_in_the_evidence_the_nearest_first(tmp_path: Path) -> None:
    networks = kinds(tmp_path, ("192.0.2.0/24", "hosting"), ("192.0.2.7", "tor"), ("192.0.2.7", "vpn"))
    found = networks.find(ip_address("192.0.2.7").packed)
    assert found is not None
    assert [(answer.source, answer.network) for answer in found.answers] == [
        ("list1", "tor"),
        ("list2", "vpn"),
        ("list0", "hosting"),
    ]


def test_a_list_is_as_old_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tor-exits.txt"
    path.write_text("192.0.2.7")
    os.utime(path, (1_780_272_000, 1_780_272_000))
    found = read(path, "tor")
    assert (found.name, found.as_of) == ("tor-exits", "2026-06-01")
    digest = found.digest
    path.write_text("192.0.2.8")
    os.utime(path, (1_780_272_000, 1_780_272_000))
    assert read(path, "tor").digest != digest != read(path, "vpn").digest


PREFIX = st.tuples(st.integers(0, 63), st.integers(26, 32)).map(lambda drawn: str(ip_network(drawn, strict=False)))


@given(st.lists(st.lists(PREFIX, max_size=6), max_size=3))
def test_flat_agrees_with_asking_every_prefix(lists: list[list[str]]) -> None:
    """Of those around an address the longest holds; of equals the one in the earlier list, there the later one."""
    named = [[(prefix, f"{order}.{at}") for at, prefix in enumerate(one)] for order, one in enumerate(lists)]
    rows = list(flat([[(span(prefix)[1], name) for prefix, name in one] for one in named], lambda own, _wider: own))
    assert all(before[1] < after[0] for before, after in pairwise(rows))
    for number in range(70):
        around = [
            (ip_network(prefix).prefixlen, -order, at, name)
            for order, one in enumerate(named)
            for at, (prefix, name) in enumerate(one)
            if ip_address(number) in ip_network(prefix)
        ]
        told = [name for first, last, name in rows if first <= number <= last]
        assert told == ([max(around)[3]] if around else [])


def test_what_lies_within_adds_its_word() -> None:
    own = Listed("vpn", (SourceAnswer("a", "", "", "", "vpn"),))
    wider = Listed("tor", (SourceAnswer("b", "", "", "", "tor"),))
    assert own.within(wider) == ("tor", own.answers + wider.answers)
    assert own.within(own) == own
