"""Typed identifiers: a prefix that says what it names, and a UUIDv7 (RFC 9562), so that ids sort by time.

>>> new("req", 1_720_483_200_000_000).startswith("req_019094ca3c007")
True
"""

import os


def new(prefix: str, at: int) -> str:
    """`prefix` and 32 hex digits; `at` is in UTC microseconds."""
    tail = int.from_bytes(os.urandom(10))
    number = (at // 1000) << 80 | 7 << 76 | (tail >> 68) << 64 | 2 << 62 | tail & (1 << 62) - 1
    return f"{prefix}_{number:032x}"
