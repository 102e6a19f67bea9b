"""Writes small .mmdb files, after https://maxmind.github.io/MaxMind-DB/ (version 2.0), so that no vendor's data are
needed."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

MARK = b"\xab\xcd\xefMaxMind.com"
SEPARATOR = bytes(16)
UTF8, UINT16, UINT32, MAP, UINT64, ARRAY, BOOLEAN = 2, 5, 6, 7, 9, 11, 14
KINDS = {"build_epoch": UINT64, "node_count": UINT32}  # of numbers in the metadata; the others are UINT16

Node = list[Any]  # two records: None, another node, or bytes of data


def mmdb(rows: Mapping[str, Any], title: str = "Test-City", *, built: int = 1_780_272_000, version: int = 6) -> bytes:
    """`rows`: network (CIDR) → record; wider networks before those within them.  `built`: seconds, 2026-06-01."""
    root: Node = [None, None]
    for cidr, told in rows.items():
        network = ip_network(cidr)
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
        _put(root, "0" * 96 + bits if version == 6 and network.version == 4 else bits, encoded(told))
    nodes: list[Node] = []
    _number(root, nodes)
    numbers = {id(node): number for number, node in enumerate(nodes)}
    data, offsets = b"", dict[bytes, int]()

    def record(side: Any) -> int:
        nonlocal data
        if side is None:
            return len(nodes)
        if isinstance(side, list):
            return numbers[id(side)]
        if side not in offsets:
            offsets[side] = len(data)
            data += side
        return len(nodes) + len(SEPARATOR) + offsets[side]

    tree = b"".join(record(side).to_bytes(4) for node in nodes for side in node)
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": built,
        "database_type": title,
        "description": {"en": "made for a test"},
        "ip_version": version,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 32,
    }
    pairs = [encoded(name) + encoded(value, KINDS.get(name, UINT16)) for name, value in metadata.items()]
    return tree + SEPARATOR + data + MARK + _control(MAP, len(pairs)) + b"".join(pairs)


def encoded(value: Any, kind: int = UINT32) -> bytes:
    match value:
        case bool():
            return _control(BOOLEAN, int(value))
        case int():
            number = value.to_bytes((value.bit_length() + 7) // 8)
            return _control(kind, len(number)) + number
        case str():
            text = value.encode()
            return _control(UTF8, len(text)) + text
        case list():
            return _control(ARRAY, len(value)) + b"".join(map(encoded, value))
        case dict():
            return _control(MAP, len(value)) + b"".join(encoded(part) for pair in value.items() for part in pair)
    raise TypeError(value)


def _control(kind: int, size: int) -> bytes:
    more = b""
    if size >= 29:
        size, more = 29, bytes([size - 29])  # up to 284, which is plenty here
    return bytes([(kind if kind < 8 else 0) << 5 | size]) + (bytes([kind - 7]) if kind >= 8 else b"") + more


def _put(node: Node, bits: str, data: bytes) -> None:
    for bit in map(int, bits[:-1]):
        if not isinstance(node[bit], list):
            node[bit] = [node[bit], node[bit]]
        node = node[bit]
    node[int(bits[-1])] = data


def _number(node: Node, nodes: list[Node]) -> None:
    nodes.append(node)
    for side in node:
        if isinstance(side, list):
            _number(side, nodes)
