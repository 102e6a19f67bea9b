"""Place data small enough to be made for one test."""

import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path

from gapura.atlas.ranges import Ranges, Row
from gapura.atlas.sources import FORMAT

HEAD = "# Generated:    Sun, 25 Oct 2026 05:22:10 GMT\n# License:      CC BY-SA 4.0\n#\n"


def ranges(places: Mapping[str, str]) -> Ranges:
    """Of prefixes, in order, and codes."""
    return Ranges.of(_rows(places, 4), _rows(places, 6))


def files(places: Mapping[str, str], as_of: str = "2026-10-25") -> dict[str, bytes]:
    """What a build consists of."""
    packed = lzma.compress(ranges(places).dump())
    meta = {
        "format": FORMAT,
        "source": "made",
        "title": "Made for a test",
        "url": "https://place.example/",
        "licence": "CC0-1.0",
        "licence_url": "https://place.example/licence",
        "as_of": as_of,
        "counts": {"ipv4": 1, "ipv6": 0},
        "sha256": {"ranges.xz": hashlib.sha256(packed).hexdigest()},
    }
    return {"meta.json": json.dumps(meta).encode(), "ranges.xz": packed}


def texts(places: Mapping[str, str], head: str = HEAD) -> dict[str, bytes]:
    """The same in the form of Debian's tor-geoipdb."""
    four = "".join(f"{first},{last},{code}\n" for first, last, code in _rows(places, 4))
    six = "".join(
        f"{network.network_address},{network.broadcast_address},{code}\n"
        for prefix, code in places.items()
        if (network := ip_network(prefix)).version == 6
    )
    return {"geoip": (head + four).encode(), "geoip6": (head + six).encode()}


def folder(path: Path, content: Mapping[str, bytes]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (path / name).write_bytes(data)
    return path


def archive(content: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(f"data/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _rows(places: Mapping[str, str], version: int) -> Iterable[Row]:
    for prefix, code in places.items():
        network = ip_network(prefix)
        if network.version == version:
            yield int(network.network_address), int(network.broadcast_address), code
