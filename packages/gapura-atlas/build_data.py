"""Packs the place data that Debian carries in its package tor-geoipdb.

    apt-get install tor-geoipdb
    python packages/gapura-atlas/build_data.py [--from /usr/share/tor] [--to FOLDER]

The same input gives the same bytes.  With `--to <home>/atlas` a running deployment gets newer data at its next start.
"""

import argparse
import hashlib
import json
import lzma
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address
from pathlib import Path

from gapura.atlas.ranges import Ranges, Row
from gapura.atlas.sources import FORMAT

HERE = Path(__file__).parent / "src/gapura_atlas/data"


def as_of(text: str) -> str:
    """The date in the header; the data without one are refused, since nobody could tell how old an answer is."""
    stamp = next(line.partition("Generated:")[2] for line in text.splitlines() if "Generated:" in line)
    return parsedate_to_datetime(stamp.strip()).date().isoformat()


def rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            first, last, code = line.split(",")
            yield number(first), number(last), code


def number(address: str) -> int:
    return int(IPv6Address(address)) if ":" in address else int(address)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--from", dest="origin", type=Path, default=Path("/usr/share/tor"))
    options.add_argument("--to", dest="target", type=Path, default=HERE)
    chosen = options.parse_args()

    sources = {name: (chosen.origin / name).read_bytes() for name in ("geoip", "geoip6")}
    texts = {name: data.decode("ascii") for name, data in sources.items()}
    dates = {as_of(text) for text in texts.values()}
    if len(dates) != 1 or not all("CC BY-SA 4.0" in text[:2000] for text in texts.values()):
        raise SystemExit(f"geoip and geoip6 must be of one date ({', '.join(sorted(dates))}) and under CC BY-SA 4.0")

    four, six = list(rows(texts["geoip"])), list(rows(texts["geoip6"]))
    packed = lzma.compress(Ranges.of(four, six).dump(), preset=9 | lzma.PRESET_EXTREME)
    files = {"ranges.xz": packed, **sources}
    meta = {
        "format": FORMAT,
        "source": "ipfire",
        "title": "IPFire Location, as Debian's tor-geoipdb carries it",
        "url": "https://location.ipfire.org/",
        "licence": "CC-BY-SA-4.0",
        "licence_url": "https://creativecommons.org/licenses/by-sa/4.0/",
        "as_of": dates.pop(),
        "counts": {"ipv4": len(four), "ipv6": len(six)},
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    chosen.target.mkdir(parents=True, exist_ok=True)
    (chosen.target / "ranges.xz").write_bytes(packed)
    (chosen.target / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
    print(f"{chosen.target}: {len(four)} + {len(six)} ranges of {meta['as_of']} in {len(packed)} bytes")


if __name__ == "__main__":
    main()
