"""Two builds of place data, side by side: how many addresses move, from where to where, and whether that can be.

IPv4 is counted in addresses, IPv6 in networks of /48, rounded up (a /64 that several ranges share goes with its first).
"""

from collections import Counter
from collections.abc import Iterable
from random import Random

import msgspec

from gapura.atlas.base import Source
from gapura.atlas.ranges import SHARED, Columns, Ranges
from gapura.atlas.special import is_special
from gapura.atlas.territories import CODES

# Stated bounds of what an update may do without somebody saying why.  Registries move about one address in a hundred
# a month, and the two free sources that differ most do so in 4.6 of a hundred: more than that is another source.
LEAST_KEPT = 0.95
MOST_MOVED = 0.05

FOUR, SIX = 1 << 32, 1 << 64  # addresses, and upper halves
A_48 = 1 << 16
SAMPLED = 100_000

Steps = Iterable[tuple[int, str | None, str | None]]
"""Number of addresses, what the one build says of them, and what the other."""


class Moved(msgspec.Struct, frozen=True):
    """From `before` to `after`: codes as they stand in the data, "" where there is none."""

    before: str
    after: str
    ipv4: int
    ipv6: int


class Comparison(msgspec.Struct, frozen=True):
    """`ipv4` and `ipv6` are placed by the former and by the new data; `moved` most first.  `exact` False: these are
    counts of a sample, IPv6 too in addresses.  `vanished` are territories that the new data do not know any more."""

    exact: bool
    ipv4: tuple[int, int]
    ipv6: tuple[int, int]
    moved: tuple[Moved, ...]
    vanished: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()

    def moved_from_a_place(self) -> tuple[int, int]:
        """IPv4 and IPv6, without what nobody knew before."""
        placed = [one for one in self.moved if one.before]
        return sum(one.ipv4 for one in placed), sum(one.ipv6 for one in placed)


class Objection(msgspec.Struct, frozen=True):
    """A bound that an update goes beyond: `check` names it, `found` is a sentence."""

    check: str
    found: str


def ranges(before: Ranges, after: Ranges) -> Comparison:
    """Exact: every boundary of both."""
    old, new = before.columns(), after.columns()
    return _counted(
        _merged(_decoded(old, four=True), _decoded(new, four=True), FOUR),
        _merged(_decoded(old, four=False), _decoded(new, four=False), SIX),
        exact=True,
    )


def sources(before: Source, after: Source, known: Ranges) -> Comparison:
    """Of sources that are no list of ranges: the same sample each time, of public IPv4 addresses, and of the IPv6
    networks of `known`."""
    drawn = Random(0)  # noqa: S311 - a sample, and no secret
    four = (drawn.randrange(FOUR).to_bytes(4) for _ in range(SAMPLED))
    halves = known.columns().six.starts
    six = ((drawn.choice(halves) << 64).to_bytes(16) for _ in range(SAMPLED))

    def asked(addresses: Iterable[bytes]) -> Steps:
        public = (packed for packed in addresses if not is_special(packed))
        return ((1, before.find(packed).code or None, after.find(packed).code or None) for packed in public)

    return _counted(asked(four), asked(six), exact=False)


def objections(found: Comparison, *, former_as_of: str, as_of: str) -> list[Objection]:
    """What speaks against an update; none: nothing does."""
    told = []
    families = zip(("IPv4", "IPv6"), (found.ipv4, found.ipv6), found.moved_from_a_place(), strict=True)
    for family, (before, after), moved in families:
        if after < before * LEAST_KEPT:
            told.append(Objection("shrinks", f"{_share(after, before)} of {family} are left; {LEAST_KEPT:.0%} must be"))
        if moved > before * MOST_MOVED:
            told.append(Objection("moves", f"{_share(moved, before)} of {family} move; {MOST_MOVED:.0%} may"))
    if found.vanished:
        told.append(Objection("vanishes", f"these territories vanish: {', '.join(found.vanished)}"))
    if as_of < former_as_of:
        told.append(Objection("older", f"these data are of {as_of}, and those in force of {former_as_of}"))
    return told


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _decoded(columns: Columns, *, four: bool) -> tuple[list[int], list[str | None]]:
    """Boundaries, and what holds from each on."""
    starts, codes = columns.four if four else columns.six
    names, shared = columns.names, columns.shared
    if four:
        return list(starts), [names[code] for code in codes]
    return list(starts), [
        names[shared[half].codes[0] if code == SHARED else code] for half, code in zip(starts, codes, strict=True)
    ]


def _merged(one: tuple[list[int], list[str | None]], two: tuple[list[int], list[str | None]], end: int) -> Steps:
    (starts1, codes1), (starts2, codes2) = one, two
    at = i = j = 0
    while at < end:
        next1 = starts1[i + 1] if i + 1 < len(starts1) else end
        next2 = starts2[j + 1] if j + 1 < len(starts2) else end
        until = min(next1, next2)
        yield until - at, codes1[i], codes2[j]
        i += next1 == until
        j += next2 == until
        at = until


def _counted(four: Steps, six: Steps, *, exact: bool) -> Comparison:
    counts = [_pairs(four), _pairs(six, unit=A_48 if exact else 1)]
    pairs = {pair for count in counts for pair in count}
    moved = [Moved(*pair, *(count[pair] for count in counts)) for pair in pairs if pair[0] != pair[1]]
    known = [{pair[side] for pair in pairs} & CODES for side in (0, 1)]
    return Comparison(
        exact=exact,
        ipv4=_totals(counts[0]),
        ipv6=_totals(counts[1]),
        moved=tuple(sorted(moved, key=lambda one: (-one.ipv4, -one.ipv6, one.before, one.after))),
        vanished=tuple(sorted(known[0] - known[1])),
        appeared=tuple(sorted(known[1] - known[0])),
    )


def _pairs(steps: Steps, unit: int = 1) -> Counter[tuple[str, str]]:
    count: Counter[tuple[str, str]] = Counter()
    for size, before, after in steps:
        count[before or "", after or ""] += size
    return Counter({pair: -(-size // unit) for pair, size in count.items()})


def _totals(count: Counter[tuple[str, str]]) -> tuple[int, int]:
    before, after = (sum(size for pair, size in count.items() if pair[side]) for side in (0, 1))
    return before, after
