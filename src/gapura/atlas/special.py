"""Addresses that say nothing about a place, and IPv4 addresses in the clothes of IPv6.

After IANA's registries of special-purpose addresses and of the IPv6 address space (RFC 6890).  The few reachable
services inside these blocks (192.0.0.9, 2001:1::1, 2001:4:112::/48 …) send no requests, so whole blocks stand.
"""

from ipaddress import ip_network

from gapura.atlas.ranges import Ranges, Row

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


_SPECIAL = Ranges.of(_rows(_FOUR), _rows(_SIX))

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291
_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)  # 64:ff9b::/96, RFC 6052
_SIX_TO_FOUR = bytes.fromhex("2002")  # 2002::/16, RFC 3056
_TEREDO = bytes.fromhex("20010000")  # 2001::/32, RFC 4380


def unwrapped(address: bytes) -> bytes:
    """The IPv4 address (4 bytes) that an IPv6 address (16 bytes) of these four kinds carries; any other as it is.

    An answer can reach the sender only at the embedded address, so it cannot be chosen freely.
    """
    if address[:2] == _SIX_TO_FOUR:
        return address[2:6]
    if address[:4] == _TEREDO:
        return bytes(byte ^ 0xFF for byte in address[12:])
    return address[12:] if address[:12] in (_MAPPED, _NAT64) else address


def is_special(address: bytes) -> bool:
    """Whether no place can be told of it (4 or 16 bytes)."""
    return _SPECIAL.code(address) is not None
