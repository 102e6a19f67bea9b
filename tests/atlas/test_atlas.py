"""An atlas of several sources, with lists and corrections: what it answers, on whose word, and when it changes."""

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.atlas.mmdb_writer import mmdb

from gapura.atlas import networks
from gapura.atlas.corrections import Correction, Corrections, dump
from gapura.atlas.networks import Networks
from gapura.atlas.ranges import Ranges
from gapura.atlas.sources import DAY, Atlas, Packed, load
from gapura.atlas.special import Nat64
from gapura.clock import TurnableClock, instant
from gapura.terms.place import SourceAnswer

NOW = instant("2026-11-22T12:00:00Z")
JUNE = "2026-06-01"


def packed(name: str, as_of: str = JUNE, **spans: str) -> Packed:
    """`a8_0_0_0__8="SG"` is 8.0.0.0/8; IPv6 is not needed here."""
    found = {ip_network(key[1:].replace("__", "/").replace("_", ".")): code for key, code in spans.items()}
    rows = [(int(one.network_address), int(one.broadcast_address), code) for one, code in sorted(found.items())]
    return Packed(Ranges.of(rows, []), name, as_of)


FIRST = packed("first", a8_0_0_0__8="SG", a9_0_0_0__8="EU", a36_0_0_0__8="CN", a46_0_0_0__8="HK")
SECOND = packed("second", a8_0_0_0__8="SG", a36_0_0_0__8="HK", a37_0_0_0__8="US", a46_0_0_0__8="AP")


def listed(folder: Path, text: str, kind: Any, name: str = "list") -> networks.List:
    (folder / name).write_text(text)
    return networks.read(folder / name, kind, as_of="2026-11-01")


@pytest.mark.parametrize(
    ("address", "territory", "certainty", "confidence"),
    [
        ("8.8.8.8", "SG", "certain", 0.975),
        ("36.1.1.1", "CN", "uncertain", 0.5),
        ("37.1.1.1", "US", "certain", 0.949),
        ("9.9.9.9", "", "uncertain", 0.0),
        ("46.1.1.1", "HK", "uncertain", 0.5),
        ("11.1.1.1", "", "unknown", 0.0),
        ("10.1.1.1", "", "absent", 0.0),
        ("::ffff:36.1.1.1", "CN", "uncertain", 0.5),
    ],
)
def test_two_sources(address: str, territory: str, certainty: str, confidence: float) -> None:
    found = Atlas([FIRST, SECOND], clock=TurnableClock(NOW)).locate(address)
    assert (found.territory, found.certainty, found.confidence) == (territory, certainty, confidence)


def test_every_source_is_in_the_evidence_with_its_date() -> None:
    atlas = Atlas([FIRST, SECOND], clock=TurnableClock(NOW))
    assert atlas.locate("36.1.1.1").answers == (SourceAnswer("first", "CN", JUNE), SourceAnswer("second", "HK", JUNE))
    assert atlas.locate("37.1.1.1").answers == (SourceAnswer("first", "", JUNE), SourceAnswer("second", "US", JUNE))
    assert Atlas([SECOND, FIRST]).locate("36.1.1.1").territory == "HK"


def test_confidence_is_that_of_the_youngest_data_that_agree() -> None:
    old, young = packed("old", "2020-01-01", a8_0_0_0__8="SG"), packed("young", "2026-11-22", a8_0_0_0__8="SG")
    clock = TurnableClock(NOW)
    assert Atlas([old, young], clock=clock).locate("8.8.8.8").confidence == 0.98
    assert Atlas([old], clock=clock).locate("8.8.8.8").confidence == 0.871


def test_data_grow_old_while_a_gateway_runs() -> None:
    clock = TurnableClock(NOW)
    atlas = Atlas([packed("young", "2026-11-22", a8_0_0_0__8="SG")], clock=clock)
    assert atlas.locate("8.8.8.8").confidence == 0.954
    clock.turn(days=30)
    for n in range(64):  # the day is asked for once in so many new addresses
        atlas.locate(f"8.8.9.{n}")
    assert (atlas.locate("8.8.8.9").confidence, atlas.locate("8.8.8.8").confidence) == (0.953, 0.953)


CORRECTIONS = [
    Correction("36.1.0.0/16", "SG", "our own office", "ops", instant("2026-12-01T00:00:00Z"), made_at=NOW - DAY),
    Correction("10.1.0.0/16", "HK", "the branch behind the VPN", "ops"),
    Correction("46.0.0.0/8", "UA", "told by the provider", "ops", subdivision="UA-43"),
]


def test_a_correction_wins_over_every_source_and_leaves_their_answers_standing() -> None:
    atlas = Atlas([FIRST, SECOND], corrections=Corrections.of(CORRECTIONS, NOW), clock=TurnableClock(NOW))
    found = atlas.locate("36.1.1.1")
    assert (found.territory, found.certainty, found.confidence) == ("SG", "certain", 1.0)
    assert found.answers == (
        SourceAnswer("correction", "SG", "2026-11-21"),
        SourceAnswer("first", "CN", JUNE),
        SourceAnswer("second", "HK", JUNE),
    )
    assert atlas.locate("36.2.1.1").certainty == "uncertain"
    assert atlas.locate("46.1.1.1").subdivision == "UA-43"
    assert atlas.locate("2002:2401:101::1").territory == "SG"


def test_a_correction_gives_private_addresses_a_place() -> None:
    atlas = Atlas([FIRST], corrections=Corrections.of(CORRECTIONS, NOW), clock=TurnableClock(NOW))
    found = atlas.locate("10.1.2.3")
    assert (found.territory, found.certainty, found.kind, found.network) == ("HK", "certain", "private", "private")
    assert found.answers == (SourceAnswer("correction", "HK", ""),)
    assert atlas.locate("10.2.2.3").certainty == "absent"


def test_an_expired_correction_does_not_hold_though_it_is_remembered() -> None:
    clock = TurnableClock(instant("2026-11-30T23:59:59.999999Z"))
    atlas = Atlas([FIRST], corrections=Corrections.of(CORRECTIONS, NOW), clock=clock)
    assert [atlas.locate("36.1.1.1").territory for _ in range(2)] == ["SG", "SG"]
    clock.turn(seconds=0.000001)
    assert atlas.locate("36.1.1.1").territory == "CN"


APPLE = "8.8.8.0/24,HK,,Hong Kong,\n8.8.9.0/24,UA,UA-43,,\n9.9.9.0/24,SG,,,\n"


def test_a_relays_own_statement_goes_before_the_sources_and_behind_a_correction(tmp_path: Path) -> None:
    lists = Networks.of([listed(tmp_path, APPLE, "relay")])
    corrections = Corrections.of([Correction("9.9.9.9", "CN", "seen", "ops")], NOW)
    atlas = Atlas([FIRST, SECOND], networks=lists, corrections=corrections, clock=TurnableClock(NOW))
    found = atlas.locate("8.8.8.8")
    assert (found.territory, found.certainty, found.network, found.confidence) == ("HK", "certain", "relay", 0.92)
    assert found.answers[0] == SourceAnswer("list", "HK", "2026-11-01", "", "relay")
    assert [answer.code for answer in found.answers] == ["HK", "SG", "SG"]
    assert (atlas.locate("8.8.9.8").territory, atlas.locate("8.8.9.8").subdivision) == ("UA", "UA-43")
    assert (atlas.locate("9.9.9.8").territory, atlas.locate("9.9.9.8").certainty) == ("SG", "certain")
    assert (atlas.locate("9.9.9.9").territory, atlas.locate("9.9.9.9").network) == ("CN", "relay")
    assert atlas.locate("8.8.10.8").network == ""


def test_the_strongest_kind_of_lists_and_files_together(tmp_path: Path) -> None:
    path = tmp_path / "anonymous.mmdb"
    path.write_bytes(mmdb({"8.8.8.0/24": {"is_anonymous_vpn": True}, "8.8.9.0/24": {"is_hosting_provider": True}}))
    (tmp_path / "tor.txt").write_text("8.8.9.9")
    (tmp_path / "mobile.txt").write_text("8.0.0.0/8")
    of_atlas = {
        "sources": ["shipped", {"file": str(path)}],
        "networks": [
            {"file": str(tmp_path / "tor.txt"), "kind": "tor"},
            {"file": str(tmp_path / "mobile.txt"), "kind": "mobile"},
        ],
    }
    atlas = load(None, {"atlas": of_atlas}, clock=TurnableClock(NOW))
    kinds = {
        address: atlas.locate(address).network for address in ("8.8.8.8", "8.8.9.8", "8.8.9.9", "8.8.10.8", "1.1.1.1")
    }
    assert list(kinds.values()) == ["vpn", "hosting", "tor", "mobile", ""]
    assert atlas.locate("8.8.8.8").certainty == "certain"
    assert atlas.locate("8.8.8.8").confidence == 0.74
    assert SourceAnswer("anonymous", "", "2026-06-01", "", "vpn") in atlas.locate("8.8.8.8").answers


def test_translators_of_the_operators_own_are_looked_through() -> None:
    atlas = Atlas([FIRST], nat64=[Nat64.of("64:ff9b:1::/48")])
    assert (atlas.locate("64:ff9b:1:808:8:800::").territory, atlas.locate("64:ff9b:1:808:8:800::").embedded) == (
        "SG",
        "nat64",
    )
    assert Atlas([FIRST]).locate("64:ff9b:1:808:8:800::").certainty == "absent"


def test_the_home_has_corrections_and_they_survive_an_update_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas/corrections.json").write_bytes(dump([Correction("8.8.8.8", "HK", "seen", "ops")]))
    before = load(tmp_path)
    assert before.locate("8.8.8.8").territory == "HK"
    own = tmp_path / "own.mmdb"
    own.write_bytes(mmdb({"8.0.0.0/8": {"country_code": "CN"}}))
    after = load(tmp_path, {"atlas": {"sources": [{"file": str(own)}]}})
    assert (after.locate("8.8.8.8").territory, after.locate("8.8.8.9").territory) == ("HK", "CN")
    (tmp_path / "atlas/corrections.json").write_text(json.dumps([{"prefix": "8.8.8.8"}]))
    with pytest.raises(ValueError, match=r"corrections\.json"):
        load(tmp_path)


def test_the_version_is_that_of_all_that_is_looked_up_in(tmp_path: Path) -> None:
    lists = Networks.of([listed(tmp_path, "8.8.8.8", "tor")])
    same = {Atlas([FIRST, SECOND]).version for _ in range(3)}
    different = {
        Atlas([FIRST]).version,
        Atlas([SECOND, FIRST]).version,
        Atlas([packed("first", "2026-06-02", a8_0_0_0__8="SG")]).version,
        Atlas([packed("first", a8_0_0_0__9="SG")]).version,
        Atlas([FIRST], networks=lists).version,
        Atlas([FIRST], networks=Networks.of([listed(tmp_path, "8.8.8.8", "vpn")])).version,
        Atlas([FIRST], networks=Networks.of([listed(tmp_path, "8.8.8.9", "tor")])).version,
        Atlas([FIRST], nat64=[Nat64.of("64:ff9b:1::/48")]).version,
        Atlas([FIRST], corrections=Corrections.of(CORRECTIONS, NOW)).version,
        Atlas([FIRST], corrections=Corrections.of(CORRECTIONS[1:], NOW)).version,
    }
    assert len(same) == 1 and len(same | different) == 11


SPANS = st.dictionaries(st.integers(1, 9), st.sampled_from(["SG", "CN", "EU", ""]), max_size=9)


def of_spans(name: str, spans: dict[int, str]) -> Packed:
    return packed(name, **{f"a{first}_0_0_0__8": code for first, code in spans.items() if code})


@given(
    SPANS,
    SPANS,
    st.lists(
        st.builds(Correction, st.sampled_from(["1.0.0.0/8", "2.0.0.0/7"]), st.just("HK"), st.just(""), st.just("")),
        max_size=2,
    ),
)
def test_addresses_that_lie_alike_in_every_partition_have_one_answer(
    one: dict[int, str], other: dict[int, str], made: list[Correction]
) -> None:
    atlas = Atlas([of_spans("one", one), of_spans("other", other)], corrections=Corrections.of(made, NOW))
    partitions = atlas.partitions()
    assert partitions is not None
    told: dict[tuple[str | None, ...], Any] = {}
    for first in range(11):
        address = f"{first}.1.1.1"
        where = tuple(part.code(bytes([first, 1, 1, 1])) for part in partitions)
        assert told.setdefault(where, atlas.locate(address)) == atlas.locate(address)


def test_what_is_no_list_of_ranges_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "own.mmdb"
    path.write_bytes(mmdb({"8.0.0.0/8": {"country_code": "CN"}}))
    assert load(None, {"atlas": {"sources": ["shipped", {"file": str(path)}]}}).partitions() is None
    assert load(None, {"atlas": {"nat64": ["64:ff9b:1::/48"]}}).partitions() is None
    assert len(load().partitions() or ()) == 2
