"""Prefixes as people list them: read fast, and laid flat where they lie within each other."""

from collections.abc import Callable, Iterable, Iterator
from socket import AF_INET, AF_INET6, inet_pton
from typing import TypeVar

Span = tuple[int, int]
"""First and last address of a prefix."""

T = TypeVar("T")


def span(prefix: str) -> tuple[int, Span]:
    """Bytes of an address, and the span of `192.0.2.0/24`, `2001:db8::/32` or one address; bits behind the prefix are
    ignored.  By hand, because lists have 300,000 lines and `ip_network` takes ten times as long.

    Raises OSError and ValueError.
    """
    address, slash, length = prefix.partition("/")
    packed = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    width = 8 * len(packed)
    bits = int(length) if slash else width
    if not 0 < bits <= width:
        raise ValueError(length)
    hosts = (1 << width - bits) - 1
    first = int.from_bytes(packed) & ~hosts
    return len(packed), (first, first | hosts)


def flat(lists: Iterable[Iterable[tuple[Span, T]]], within: Callable[[T, T], T]) -> Iterator[tuple[int, int, T]]:
    """Prefixes of one family, which lie within each other or apart → ranges without overlap, in order.

    `within(own, wider)` is what holds in a prefix that lies in another one.  Of one prefix in two lists, the one in
    the earlier list counts as the nearer.
    """
    spans = sorted(
        ((first, -last, -order, value) for order, one in enumerate(lists) for (first, last), value in one),
        key=lambda span: span[:3],
    )
    around: list[tuple[int, T]] = []
    at = 0
    for first, minus_last, _, own in spans:
        while around and around[-1][0] < first:
            end, value = around.pop()
            if at <= end:
                yield at, end, value
                at = end + 1
        holds = own
        if around:
            if at < first:
                yield at, first - 1, around[-1][1]
            holds = within(own, around[-1][1])
        at = first
        around.append((-minus_last, holds))
    while around:
        end, value = around.pop()
        if at <= end:
            yield at, end, value
            at = end + 1
