"""Where the caller is: what is believed, from whom, and what is said aloud instead of being ignored."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from gapura.atlas import networks
from gapura.atlas.corrections import Correction, Corrections
from gapura.atlas.networks import Networks
from gapura.atlas.proxies import Trust
from gapura.atlas.ranges import Ranges
from gapura.atlas.sources import Atlas, Packed
from gapura.errors import BadRequest, Forbidden
from gapura.request.locate import Places, locate
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.place import Origin, SourceAnswer


def span(cidr: str, code: str) -> tuple[int, int, str]:
    network = ip_network(cidr)
    return int(network.network_address), int(network.broadcast_address), code


RANGES = Ranges.of(
    [span("8.0.0.0/8", "SG"), span("9.0.0.0/8", "EU"), span("36.0.0.0/8", "CN")], [span("2400::/16", "HK")]
)
ATLAS = Atlas([Packed(RANGES, "test", "2026-06-25")])
SG, CN, HK, EU, NOWHERE = "8.8.8.8", "36.1.1.1", "2400::1", "9.9.9.9", "11.1.1.1"
XFF = b"x-forwarded-for"


def caller(**of_key: Any) -> Caller:
    return Caller(Key("k", "a", "gp", **of_key), Account("a", "acme", "o"))


def where(
    peer: str, *headers: tuple[bytes, bytes], who: Caller | None = None, trust: tuple[str, ...] = (), site: str = ""
) -> Origin:
    return locate(headers, peer, who or caller(), Places(ATLAS, Trust(trust), site))


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        (SG, [], ("SG", "certain", "peer", SG)),
        (HK, [], ("HK", "certain", "peer", HK)),
        ("::ffff:36.1.1.1", [], ("CN", "certain", "peer", "::ffff:36.1.1.1")),
        (EU, [], ("", "uncertain", "peer", EU)),
        (NOWHERE, [], ("", "unknown", "peer", NOWHERE)),
        # from a proxy that is trusted, the rightmost address that is not
        ("10.0.0.1", [(XFF, b"8.8.8.8")], ("SG", "certain", "forwarded", SG)),
        ("10.0.0.1", [(XFF, b"8.8.8.8, 36.1.1.1")], ("CN", "certain", "forwarded", CN)),
        ("10.0.0.1", [(XFF, b"36.1.1.1, 10.0.0.2")], ("CN", "certain", "forwarded", CN)),
        ("10.0.0.1", [(b"forwarded", b'for="[2400::1]"')], ("HK", "certain", "forwarded", HK)),
        # from anybody else it changes nothing
        (CN, [(XFF, b"8.8.8.8")], ("CN", "certain", "peer", CN)),
        (CN, [(b"forwarded", b"for=8.8.8.8"), (b"x-real-ip", b"8.8.8.8")], ("CN", "certain", "peer", CN)),
        ("192.168.0.1", [(XFF, b"8.8.8.8")], ("", "absent", "none", "192.168.0.1")),
        # no usable address
        ("", [], ("", "absent", "none", "")),
        ("127.0.0.1", [], ("", "absent", "none", "127.0.0.1")),
        ("10.0.0.1", [(XFF, b"unknown")], ("", "absent", "none", "")),
        ("10.0.0.1", [(XFF, b"8.8.8.8, nonsense")], ("", "absent", "none", "")),
    ],
)
def test_what_is_believed(peer: str, headers: list[tuple[bytes, bytes]], expected: tuple[str, str, str, str]) -> None:
    origin = where(peer, *headers, trust=("10.0.0.0/8",))
    assert (origin.territory, origin.certainty, origin.derivation, origin.address) == expected
    assert origin.peer == peer


def test_the_evidence_is_kept() -> None:
    origin = where("10.0.0.1", (XFF, b"8.8.8.8, 10.0.0.2"), trust=("10.0.0.0/8",))
    assert origin.skipped == ("10.0.0.1", "10.0.0.2")
    assert origin.answers == (SourceAnswer("test", "SG", "2026-06-25"),)


@pytest.mark.parametrize("peer", ["", "127.0.0.1", "192.168.0.1", "fd00::1", "not an address"])
def test_the_site_speaks_for_those_without_an_address(peer: str) -> None:
    origin = where(peer, site="SG")
    assert (origin.territory, origin.certainty, origin.derivation, origin.address) == ("SG", "certain", "site", peer)


@pytest.mark.parametrize("peer", [EU, NOWHERE])
def test_the_site_does_not_speak_for_a_public_address(peer: str) -> None:
    assert where(peer, site="SG").territory == ""


def test_all_that_the_atlas_knows_is_handed_on(tmp_path: Path) -> None:
    (tmp_path / "relay.csv").write_text("8.8.8.0/24,UA,UA-43,,\n")
    lists = Networks.of([networks.read(tmp_path / "relay.csv", "relay", as_of="2026-11-01")])
    corrections = Corrections.of([Correction("10.1.0.0/16", "HK", "the branch", "ops")], 0)
    places = Places(Atlas(ATLAS.sources, networks=lists, corrections=corrections), Trust(), "SG")
    told = locate([], "2002:808:808::1", caller(), places)
    assert (told.territory, told.subdivision, told.network, told.embedded) == ("UA", "UA-43", "relay", "6to4")
    assert told.confidence == places.atlas.locate("8.8.8.8").confidence == 0.92
    branch = locate([], "10.1.2.3", caller(), places)
    assert (branch.territory, branch.derivation, branch.network, branch.confidence) == ("HK", "peer", "private", 1.0)
    site = locate([], "10.2.2.3", caller(), places)
    assert (site.territory, site.derivation, site.network, site.confidence) == ("SG", "site", "private", 1.0)
    stated = locate([(TERRITORY, b"CN")], "", ASSERTING, places)
    assert (stated.confidence, stated.network, stated.answers) == (1.0, "", ())


ADDRESS, TERRITORY = b"gapura-client-address", b"gapura-client-territory"
ASSERTING = caller(may_assert_origin=True)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ((ADDRESS, b"36.1.1.1"), ("CN", "certain", "asserted-address", CN)),
        ((ADDRESS, b" 2400::1 "), ("HK", "certain", "asserted-address", HK)),
        ((ADDRESS, b"9.9.9.9"), ("", "uncertain", "asserted-address", EU)),
        ((ADDRESS, b"192.168.0.1"), ("", "absent", "none", "192.168.0.1")),
        ((TERRITORY, b"CN"), ("CN", "certain", "asserted-territory", "")),
        ((TERRITORY, b" sg "), ("SG", "certain", "asserted-territory", "")),
        ((TERRITORY, b"UA-43"), ("UA", "certain", "asserted-territory", "")),
        ((TERRITORY, b"Hong Kong"), ("HK", "certain", "asserted-territory", "")),
        ((TERRITORY, b"T1"), ("", "uncertain", "asserted-territory", "")),
        ((TERRITORY, b"XX"), ("", "uncertain", "asserted-territory", "")),
    ],
)
def test_a_key_with_the_right_asserts_its_users_place(
    header: tuple[bytes, bytes], expected: tuple[str, str, str, str]
) -> None:
    origin = where("10.0.0.1", (XFF, b"8.8.8.8"), header, who=ASSERTING, trust=("10.0.0.0/8",))
    assert (origin.territory, origin.certainty, origin.derivation, origin.address) == expected
    assert origin.peer == "10.0.0.1"


@pytest.mark.parametrize(
    ("told", "part"), [(b"UA-43", "UA-43"), (b"ua-30", "UA-30"), (b"Crimea", "UA-43"), (b"UA", "")]
)
def test_a_part_of_a_territory_may_be_asserted(told: bytes, part: str) -> None:
    """Which is how a customer's word, or an attestation, comes in where no source knows the part."""
    origin = where("10.0.0.1", (TERRITORY, told), who=ASSERTING, trust=("10.0.0.0/8",))
    assert (origin.territory, origin.subdivision) == ("UA", part)


def test_an_asserted_private_address_is_the_sites() -> None:
    assert where(CN, (ADDRESS, b"10.1.1.1"), who=ASSERTING, site="SG").derivation == "site"


@pytest.mark.parametrize("header", [(ADDRESS, b"8.8.8.8"), (TERRITORY, b"SG"), (TERRITORY, b"")])
def test_without_the_right_it_is_refused_aloud(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(Forbidden) as caught:
        where(CN, header)
    assert (caught.value.param, caught.value.code) == (header[0].decode(), "origin_not_allowed")


@pytest.mark.parametrize(
    "headers",
    [
        [(ADDRESS, b"8.8.8.8"), (TERRITORY, b"SG")],
        [(TERRITORY, b"CN"), (TERRITORY, b"SG")],
        [(ADDRESS, b"8.8.8.8, 36.1.1.1")],
        [(ADDRESS, b"8.8.8.8:443")],
        [(ADDRESS, b"")],
        [(TERRITORY, b"")],
        [(TERRITORY, b"ZZ")],
        [(TERRITORY, b"\xff" * 5000)],
    ],
)
def test_an_assertion_that_says_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BadRequest) as caught:
        where(SG, *headers, who=ASSERTING, site="SG")
    assert caught.value.param == headers[0][0].decode() and len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("peer", "headers", "allowed"),
    [
        (SG, [], True),
        (HK, [], True),
        (CN, [], False),
        (CN, [(XFF, b"8.8.8.8")], False),
        ("10.0.0.1", [(XFF, b"8.8.8.8")], True),
        ("10.0.0.1", [(XFF, b"8.8.8.8, 36.1.1.1")], False),
        ("10.0.0.1", [(XFF, b"unknown")], False),
        (CN, [(ADDRESS, b"8.8.8.8")], False),
        (SG, [(ADDRESS, b"36.1.1.1")], True),
        ("", [], False),
    ],
)
def test_the_networks_of_a_key_are_those_that_it_is_used_from(
    peer: str, headers: list[tuple[bytes, bytes]], allowed: bool
) -> None:
    """Not those of the users whose place it asserts."""
    who = caller(cidrs=("8.0.0.0/8", "2400::/16"), may_assert_origin=True)
    if allowed:
        assert where(peer, *headers, who=who, trust=("10.0.0.0/8",)).peer == peer
    else:
        with pytest.raises(Forbidden) as caught:
            where(peer, *headers, who=who, trust=("10.0.0.0/8",))
        assert caught.value.code == "address_not_allowed"
