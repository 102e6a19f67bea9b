"""The text that Debian's tor-geoipdb carries (`geoip`, `geoip6`: IPFire Location) → packed ranges and their meta.json.

The same text gives the same bytes.
"""

import hashlib
import lzma
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address

from gapura.atlas.ranges import Ranges, Row
from gapura.atlas.sources import FORMAT, Meta

TEXTS = ("geoip", "geoip6")
LICENCE = "CC BY-SA 4.0"
HEAD = 2_000


def pack(texts: Mapping[str, bytes]) -> tuple[Ranges, bytes, Meta]:
    """Both texts, by name → the ranges, the bytes of `ranges.xz`, and what stands in `meta.json`.

    Raises ValueError where one is missing, has no date or another licence, or is not in order.
    """
    if missing := [name for name in TEXTS if name not in texts]:
        raise ValueError(f"{', '.join(missing)} is missing; {' and '.join(TEXTS)} come together")
    decoded = {name: texts[name].decode("ascii") for name in TEXTS}
    dates = {_as_of(name, text) for name, text in decoded.items()}
    if len(dates) != 1:
        raise ValueError(f"geoip and geoip6 must be of one date, not {' and '.join(sorted(dates))}")
    if unlicensed := [name for name, text in decoded.items() if LICENCE not in text[:HEAD]]:
        raise ValueError(f"{', '.join(unlicensed)} does not say in its head that it is under {LICENCE}")
    four, six = (list(_rows(name, text)) for name, text in decoded.items())
    made = Ranges.of(four, six)
    packed = lzma.compress(made.dump(), preset=9 | lzma.PRESET_EXTREME)
    files = {"ranges.xz": packed, **{name: texts[name] for name in TEXTS}}
    meta = Meta(
        format=FORMAT,
        source="ipfire",
        title="IPFire Location, as Debian's tor-geoipdb carries it",
        url="https://location.ipfire.org/",
        licence="CC-BY-SA-4.0",
        licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
        as_of=dates.pop(),
        counts={"ipv4": len(four), "ipv6": len(six)},
        sha256={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    return made, packed, meta


def _as_of(name: str, text: str) -> str:
    """The date in the header; data without one are refused, since nobody could tell how old an answer is."""
    stamp = next((line.partition("Generated:")[2] for line in text.splitlines() if "Generated:" in line), "")
    try:
        return parsedate_to_datetime(stamp.strip()).date().isoformat()
    except ValueError:
        raise ValueError(f"{name} does not say when it was generated") from None


def _rows(name: str, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith("#"):
            try:
                first, last, code = line.split(",")
                yield _number(first), _number(last), code
            except ValueError:
                raise ValueError(f"{name}, line {number}: {line[:80]!r} is no range") from None


def _number(address: str) -> int:
    return int(IPv6Address(address)) if ":" in address else int(address)
