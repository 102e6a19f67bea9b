"""Addresses that say nothing about a place, and IPv4 addresses in the clothes of IPv6.

After IANA's registries of special-purpose addresses and of the IPv6 address space (RFC 6890).  The few reachable
services inside these blocks (192.0.0.9, 2001:1::1, 2001:4:112::/48 …) send no requests, so whole blocks stand.
"""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import NamedTuple

from gapura.atlas.ranges import Ranges, Row
from gapura.terms.place import Embedding

_FOUR = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # shared, for carriers' NAT
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # benchmarking
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
)
_SIX = (
    "::/3",  # everything outside 2000::/3 is loopback, reserved, unique local, link-local or multicast
    "2001::/23",  # protocol assignments (Teredo is unwrapped before), with benchmarking
    "2001:db8::/32",  # documentation
    "3fff::/20",  # documentation
    "4000::/2",
    "8000::/1",
)


def _rows(networks: tuple[str, ...]) -> list[Row]:
    spans = ((int(x.network_address), int(x.broadcast_address)) for x in map(ip_network, networks))
    return [(first, last, "special") for first, last in spans]


SPECIAL = Ranges.of(_rows(_FOUR), _rows(_SIX))

# The first bytes of addresses that may be special: most are told by them alone.
_TOUCHED = {
    size: frozenset(
        byte
        for first, last, _ in _rows(networks)
        for byte in range(first >> 8 * (size - 1), (last >> 8 * (size - 1)) + 1)
    )
    for size, networks in ((4, _FOUR), (16, _SIX))
}

_IPV6 = 16  # bytes
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291
_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)  # 64:ff9b::/96, RFC 6052
_SIX_TO_FOUR = bytes.fromhex("2002")  # 2002::/16, RFC 3056
_TEREDO = bytes.fromhex("20010000")  # 2001::/32, RFC 4380

_LENGTHS = (32, 40, 48, 56, 64, 96)
_RESERVED_OCTET = 8  # bits 64 to 71 stay zero, and the embedded address goes on behind them (RFC 6052, 2.2)

WRAPPING = frozenset({0x00, 0x20})
"""The first byte of every address that these four make."""


class Nat64(NamedTuple):
    """A prefix of the operator's own translators, such as 64:ff9b:1::/48 (RFC 8215)."""

    prefix: bytes
    at: int

    @classmethod
    def of(cls, network: str) -> "Nat64":
        """Raises ValueError for what RFC 6052 does not allow."""
        found = ip_network(network)
        if found.max_prefixlen != 8 * _IPV6 or found.prefixlen not in _LENGTHS:
            raise ValueError(f"{network} is no IPv6 network of /{', /'.join(map(str, _LENGTHS))}")
        size = found.prefixlen // 8
        return cls(found.network_address.packed[:size], size)

    def take_out(self, address: bytes) -> bytes:
        if self.at < _RESERVED_OCTET + 1:
            address = address[:_RESERVED_OCTET] + address[_RESERVED_OCTET + 1 :]
        return address[self.at : self.at + 4]


def unwrap(address: bytes, local: Sequence[Nat64] = ()) -> tuple[bytes, Embedding]:
    """The IPv4 address (4 bytes) that an IPv6 address (16 bytes) carries, and how; any other as it is.

    An answer can reach the sender only at the embedded address, so it cannot be chosen freely.
    """
    if address[:2] == _SIX_TO_FOUR and len(address) == _IPV6:
        return address[2:6], "6to4"
    if address[:4] == _TEREDO and len(address) == _IPV6:
        return bytes(byte ^ 0xFF for byte in address[12:]), "teredo"
    if address[:12] in (_MAPPED, _NAT64):
        return address[12:], "mapped" if address[:12] == _MAPPED else "nat64"
    for one in local:
        if address.startswith(one.prefix) and len(address) == _IPV6:
            return one.take_out(address), "nat64"
    return address, ""


def unwrapped(address: bytes) -> bytes:
    """The address that `unwrap` finds, without prefixes of the operator's own."""
    return unwrap(address)[0]


def is_special(address: bytes) -> bool:
    """Whether no place can be told of it (4 or 16 bytes)."""
    return address[0] in _TOUCHED[len(address)] and SPECIAL.code(address) is not None
