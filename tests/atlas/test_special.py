"""Blocks by their ends, embedded addresses by example, and the standard library's opinion."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.atlas.special import Nat64, is_special, unwrap, unwrapped

BLOCKS = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/3",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "4000::/2",
    "8000::/1",
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_special_from_its_first_to_its_last_address(block: str) -> None:
    network = ip_network(block)
    size = network.max_prefixlen // 8
    first, last = int(network.network_address), int(network.broadcast_address)
    assert is_special(first.to_bytes(size)) and is_special(last.to_bytes(size))
    for outside in (first - 1, last + 1):
        if 0 <= outside < 1 << 8 * size:
            number = outside.to_bytes(size)
            assert is_special(number) == any(ip_address(number) in ip_network(other) for other in BLOCKS)


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0",
        "9.255.255.255",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db9::",
        "2003::",
        "2a00::",
        "3ffe::",
        "3fff:1000::",
    ],
)
def test_what_is_beside_a_block_is_public(address: str) -> None:
    assert not is_special(ip_address(address).packed)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_whatever_the_standard_library_calls_private_is_special(address: IPv4Address | IPv6Address) -> None:
    wrapped = address.version == 6 and unwrapped(address.packed) != address.packed
    if not wrapped and (address.is_private or address.is_multicast or address.is_reserved or address.is_loopback):
        assert is_special(address.packed)


@pytest.mark.parametrize(
    ("wrapped", "inner"),
    [
        ("::ffff:8.8.4.4", "8.8.4.4"),
        ("64:ff9b::8.8.4.4", "8.8.4.4"),
        ("2002:808:404::1", "8.8.4.4"),
        ("2001:0:4136:e378:8000:63bf:f7f7:fbfb", "8.8.4.4"),
        ("64:ff9b:1::8.8.4.4", "64:ff9b:1::8.8.4.4"),
        ("::8.8.4.4", "::8.8.4.4"),
        ("2001:1::1", "2001:1::1"),
        ("2a00:1450::1", "2a00:1450::1"),
    ],
)
def test_embedded_addresses_are_taken_out(wrapped: str, inner: str) -> None:
    assert unwrapped(ip_address(wrapped).packed) == ip_address(inner).packed


@pytest.mark.parametrize(
    ("prefix", "wrapped"),
    [
        # RFC 6052, 2.4: 192.0.2.33 in its own examples
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b:1::/48", "64:ff9b:1:c000:2:2100::"),
    ],
)
def test_translators_of_the_operators_own(prefix: str, wrapped: str) -> None:
    address = ip_address(wrapped).packed
    assert unwrap(address, [Nat64.of(prefix)]) == (ip_address("192.0.2.33").packed, "nat64")
    assert unwrap(address) == (address, "")


@pytest.mark.parametrize("wrong", ["64:ff9b:1::/47", "64:ff9b:1::/128", "10.0.0.0/8", "64:ff9b:1::1/48", "nat"])
def test_what_no_translator_uses_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.replace(".", r"\.")):
        Nat64.of(wrong)


@pytest.mark.parametrize(
    ("address", "embedding"),
    [
        ("::ffff:8.8.4.4", "mapped"),
        ("64:ff9b::8.8.4.4", "nat64"),
        ("2002:808:404::1", "6to4"),
        ("2001:0:4136:e378:8000:63bf:f7f7:fbfb", "teredo"),
        ("2a00:1450::1", ""),
        ("32.2.0.1", ""),
        ("32.1.0.0", ""),
    ],
)
def test_how_an_address_was_embedded_is_told(address: str, embedding: str) -> None:
    assert unwrap(ip_address(address).packed, [Nat64.of("2001:db8::/32")])[1] == embedding
