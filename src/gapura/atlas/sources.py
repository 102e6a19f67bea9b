"""An address looked up in the place data that this deployment has.

The data come with the package gapura-atlas; a newer build of them in `<home>/atlas` goes before it.
"""

import hashlib
import lzma
from functools import cache
from importlib.resources import files
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton

import msgspec

from gapura.atlas.ranges import Ranges
from gapura.atlas.special import is_special, unwrapped
from gapura.atlas.territories import CODES
from gapura.terms.place import Located, SourceAnswer

FORMAT = 1
"""Of `ranges.xz`; raised when an older reader would misread it."""

_REMEMBERED = 50_000  # addresses, at some 150 bytes each
_MALFORMED = Located("", "absent", "malformed")
_PRIVATE = Located("", "absent", "private")
_SYNONYMS = {"UK": "GB"}  # reserved for it in ISO 3166-1, and found in registries' data


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """`meta.json` beside the data: what they are, and from what they were built."""

    format: int
    source: str
    title: str
    url: str
    licence: str
    licence_url: str
    as_of: str
    counts: dict[str, int]
    sha256: dict[str, str]


class Atlas:
    """`as_of` is the data's own date (YYYY-MM-DD), `source` the name under which they answer."""

    def __init__(self, ranges: Ranges, source: str, as_of: str) -> None:
        self.source, self.as_of = source, as_of
        self._ranges = ranges
        self._places: dict[str | None, Located] = {}
        self._known: dict[str, Located] = {}

    def locate(self, address: str) -> Located:
        """Where a bare address is (no port, brackets or zone).  Never raises."""
        found = self._known.get(address)
        if found is None:
            found = self._look_up(address)
        return found

    def _look_up(self, address: str) -> Located:
        try:
            packed = unwrapped(inet_pton(AF_INET6, address)) if ":" in address else inet_pton(AF_INET, address)
        except (OSError, ValueError):
            # Not remembered: what is no address may be of any length.
            return _MALFORMED
        found = _PRIVATE if is_special(packed) else self._place(self._ranges.code(packed))
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[address] = found
        return found

    def _place(self, code: str | None) -> Located:
        """One shared answer for each code, so that remembering an address costs its text and no more."""
        if code not in self._places:
            territory = _SYNONYMS.get(code or "", code or "")
            answers = (SourceAnswer(self.source, code or "", self.as_of),)
            if territory in CODES:
                place = Located(territory, "certain", answers=answers)
            else:
                place = Located("", "uncertain" if code else "unknown", answers=answers)
            self._places[code] = place
        return self._places[code]


def load(home: Path | None = None) -> Atlas:
    """The data of `<home>/atlas` where there are any, else of the package gapura-atlas.

    Raises ModuleNotFoundError where neither is there, ValueError for data that are damaged or of another format.
    """
    renewed = home / "atlas" if home else None
    ranges, meta = read(renewed if renewed and (renewed / "meta.json").is_file() else package())
    return Atlas(ranges, meta.source, meta.as_of)


def package() -> Path:
    """The data that are installed with gapura-atlas.  Raises ModuleNotFoundError where it is not."""
    try:
        return Path(str(files("gapura_atlas"))) / "data"
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "no place data: install them with `pip install gapura-atlas` (in a checkout: make install)"
        ) from None


@cache
def read(folder: Path) -> tuple[Ranges, Meta]:
    """Once a process and folder, however many gateways live in it."""
    meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=Meta)
    data = (folder / "ranges.xz").read_bytes()
    if meta.format != FORMAT:
        raise ValueError(f"{folder} has place data of format {meta.format}, and this release reads {FORMAT}")
    if hashlib.sha256(data).hexdigest() != meta.sha256.get("ranges.xz"):
        raise ValueError(f"{folder / 'ranges.xz'} is not the file that meta.json describes; build or install it anew")
    return Ranges.parse(lzma.decompress(data)), meta
