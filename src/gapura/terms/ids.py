"""Typed identifiers: a prefix that says what it names, and a UUIDv7 (RFC 9562), so that ids sort by time.

>>> new("req", 1_720_483_200_000_000).startswith("req_019094ca3c007")
True
"""

from random import getrandbits  # seeded by the system, and anew in each process that is forked

_VERSION_AND_VARIANT = 7 << 76 | 2 << 62


def new(prefix: str, at: int) -> str:
    """`prefix` and 32 hex digits; `at` is in UTC microseconds.  It names, and is no secret."""
    tail = getrandbits(74)
    return f"{prefix}_{(at // 1000) << 80 | (tail >> 62) << 64 | tail & (1 << 62) - 1 | _VERSION_AND_VARIANT:032x}"


def beside(prefix: str, other: str) -> str:
    """The id of what belongs to `other`, one to one.

    >>> beside("dec", "req_019094ca3c007")
    'dec_019094ca3c007'
    """
    return prefix + other[other.index("_") :]
