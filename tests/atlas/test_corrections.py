"""What the operator knows better: the longest prefix, until its very instant, and never what cannot be meant."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.corrections import Correction, Corrections, dump, read


def corrected(prefix: str, territory: str = "SG", ends: int = 0, part: str = "") -> Correction:
    return Correction(prefix, territory, "measured", "ops", ends, part)


def found(corrections: Corrections, address: str, at: int = 0) -> str:
    one = corrections.find(ip_address(address).packed, at)
    return one.territory if one else ""


def test_the_longest_prefix_holds() -> None:
    corrections = Corrections.of(
        [corrected("8.8.8.8/32", "CN"), corrected("8.8.0.0/16", "HK"), corrected("8.0.0.0/8"), corrected("2400::/16")],
        0,
    )
    addresses = ("8.8.8.8", "8.8.8.9", "8.9.0.0", "9.0.0.0", "2400::1", "2500::1")
    assert [found(corrections, address) for address in addresses] == ["CN", "HK", "SG", "", "SG", ""]


def test_one_that_is_over_does_not_hold_from_its_instant_on_and_the_wider_shows_again() -> None:
    corrections = Corrections.of([corrected("8.8.0.0/16", "HK", ends=100), corrected("8.0.0.0/8", ends=200)], 50)
    assert [found(corrections, "8.8.8.8", at) for at in (50, 99, 100, 199, 200, 99)] == [
        "HK",
        "HK",
        "SG",
        "SG",
        "",
        "HK",
    ]
    assert [corrections.next_end(at) for at in (0, 99, 100, 199, 200)] == [100, 100, 200, 200, 0]
    assert Corrections.of([corrected("8.8.0.0/16", ends=100)], 100).all() == []


def test_of_two_for_one_prefix_the_later_holds() -> None:
    assert found(Corrections.of([corrected("8.8.8.0/24", "CN"), corrected("8.8.8.0/24", "HK")], 0), "8.8.8.8") == "HK"


def test_ipv4_in_the_clothes_of_ipv6_is_the_same_network() -> None:
    corrections = Corrections.of([corrected("::ffff:8.8.8.0/120", "HK"), corrected("10.1.0.0/16")], 0)
    assert (found(corrections, "8.8.8.8"), found(corrections, "10.1.2.3")) == ("HK", "SG")


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (corrected("8.8.8.8/8"), "has host bits set"),
        (corrected("example.com"), "example.com"),
        (corrected("8.8.8.0/24", "ZZ"), "'ZZ' is no territory"),
        (corrected("8.8.8.0/24", "EU"), "'EU' is no territory"),
        (corrected("8.8.8.0/24", "UA", part="RU-MOW"), "RU-MOW is no part of UA"),
        (corrected("2002:808::/32"), "correct those"),
        (corrected("64:ff9b::808:808/128"), "correct those"),
        (corrected("2001:0:1::/48"), "correct those"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: Correction, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        Corrections.of([corrected("9.0.0.0/8"), wrong], 0)
    assert wrong.prefix in str(refused.value)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = [corrected("8.8.8.0/24", "UA", 7, "UA-43"), Correction("10.0.0.0/8", "SG", "office", "ops", made_at=5)]
    (tmp_path / "corrections.json").write_bytes(dump(made))
    assert read(tmp_path / "corrections.json") == made
    assert read(tmp_path / "none.json") == []
    (tmp_path / "corrections.json").write_text('[{"prefix": 7}]')
    with pytest.raises(ValueError, match=r"corrections\.json"):
        read(tmp_path / "corrections.json")


PREFIX = st.tuples(st.integers(0, 255), st.integers(24, 32)).map(
    lambda drawn: str(ip_network((0x08080800 | drawn[0], drawn[1]), strict=False))
)
MADE = st.builds(corrected, PREFIX, st.sampled_from(["SG", "CN", "HK"]), st.integers(0, 5))


@given(st.lists(MADE, max_size=8), st.lists(st.tuples(st.integers(0, 255), st.integers(0, 6)), max_size=8))
def test_they_agree_with_asking_each_of_them(made: list[Correction], asked: list[tuple[int, int]]) -> None:
    corrections = Corrections.of(made, 0)
    for number, at in asked:
        address = ip_address(0x08080800 | number)
        holding = [
            (ip_network(one.prefix).prefixlen, order, one)
            for order, one in enumerate(made)
            if address in ip_network(one.prefix) and not 0 < one.ends <= at
        ]
        assert corrections.find(address.packed, at) == (max(holding, key=lambda x: x[:2])[2] if holding else None)
