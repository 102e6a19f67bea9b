"""Packs the place data that Debian carries in its package tor-geoipdb.

    apt-get install tor-geoipdb
    python packages/gapura-atlas/build_data.py [--from /usr/share/tor] [--to FOLDER]

The same input gives the same bytes.  A running deployment takes FOLDER, or Debian's texts themselves, by
`gapura atlas update`, which checks them and says whom they hit.
"""

import argparse
import json
from pathlib import Path

import msgspec

from gapura.atlas import packing

HERE = Path(__file__).parent / "src/gapura_atlas/data"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--from", dest="origin", type=Path, default=Path("/usr/share/tor"))
    options.add_argument("--to", dest="target", type=Path, default=HERE)
    chosen = options.parse_args()
    try:
        _, packed, meta = packing.pack({name: (chosen.origin / name).read_bytes() for name in packing.TEXTS})
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    chosen.target.mkdir(parents=True, exist_ok=True)
    (chosen.target / "ranges.xz").write_bytes(packed)
    (chosen.target / "meta.json").write_text(json.dumps(msgspec.to_builtins(meta), indent=2) + "\n")
    counts = " + ".join(map(str, meta.counts.values()))
    print(f"{chosen.target}: {counts} ranges of {meta.as_of} in {len(packed)} bytes")


if __name__ == "__main__":
    main()
