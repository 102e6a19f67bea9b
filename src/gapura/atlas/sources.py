"""An address looked up in all the place data that this deployment has.

    correction → what a network states of its users → the sources, in their order, and how far they agree

Shipped data come with the package gapura-atlas; a newer build of them in `<home>/atlas` goes before it.  An address
is looked up once and remembered; what is not configured is not asked.
"""

import hashlib
import lzma
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from types import MappingProxyType
from typing import Any

import msgspec

from gapura.atlas import agree, builds, config, corrections, mmdb, networks
from gapura.atlas.base import STRENGTH, Found, Source
from gapura.atlas.builds import InForce
from gapura.atlas.corrections import Correction, Corrections
from gapura.atlas.networks import Listed, Networks
from gapura.atlas.ranges import Ranges
from gapura.atlas.special import SPECIAL, WRAPPING, Nat64, is_special, unwrap
from gapura.clock import SECOND, Clock, system_clock, text
from gapura.settings import BadSetting
from gapura.terms.place import Embedding, Located, Network, SourceAnswer

FORMAT = 1
"""Of `ranges.xz`; raised when an older reader would misread it."""

DAY = 86_400 * SECOND

_REMEMBERED = 50_000  # addresses, at some 150 bytes each
_A_WHILE = 64  # addresses: whether a day has passed is asked no more often than that
_IPV4 = 4  # bytes
_MALFORMED = Located("", "absent", "malformed")
_EPOCH = date(1970, 1, 1)


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


class Packed:
    """Ranges as a source."""

    def __init__(self, ranges: Ranges, name: str, as_of: str, digest: str = "") -> None:
        self.ranges, self.name, self.as_of = ranges, name, as_of
        self.digest = digest or hashlib.sha256(ranges.dump()).hexdigest()
        self._found = {code: Found(code or "") for code in ranges.columns().names}

    def find(self, packed: bytes) -> Found:
        return self._found[self.ranges.code(packed)]


_Said = tuple[Embedding, Correction | None, Listed | None, tuple[Found, ...]]
"""Everything that was said of an address; addresses of which the same was said share one answer.  An answer of each
source stands there, none for a special address: it is no place, and no source is asked."""


class Atlas:
    """Immutable but for what it remembers.  `sources` in the order in which they are asked, `networks` and
    `corrections` None where there are none.  `version` is a hash of all of it; `as_of` the first source's date."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        networks: Networks | None = None,
        corrections: Corrections | None = None,
        nat64: Sequence[Nat64] = (),
        clock: Clock = system_clock,
    ) -> None:
        self.sources, self.networks, self.nat64 = tuple(sources), networks, tuple(nat64)
        self.corrections = corrections or None
        self.source, self.as_of = self.sources[0].name, self.sources[0].as_of
        self.version = self._hashed()
        self._clock = clock
        self._find = [source.find for source in self.sources]
        # What most gates have, one list of ranges and nothing else, has a shorter way.
        more = len(self.sources) > 1 or self.networks is not None or self.corrections is not None
        self._only = self.sources[0] if isinstance(self.sources[0], Packed) and not more else None
        self._by_code: dict[str | None, Located] = {}
        self._places: dict[_Said, Located] = {}
        self._known: dict[str, Located] = {}
        self._passing = bool(self.corrections and any(one.ends for one in self.corrections.all()))
        self._turn()

    def locate(self, address: str) -> Located:
        """Where a bare address is (no port, brackets or zone).  Never raises."""
        if self._passing and self._clock() >= self._until:
            self._turn()
        found = self._known.get(address)
        if found is None:
            found = self._look_up(address)
        return found

    def partitions(self) -> list[Ranges] | None:
        """Everything by which answers differ, for now: addresses that lie alike in all of these, and are no IPv4 in
        IPv6, have one answer.  None where something is no list of ranges."""
        packed = [source.ranges for source in self.sources if isinstance(source, Packed)]
        if self.nat64 or len(packed) < len(self.sources):
            return None
        listed = [self.networks.ranges] if self.networks else []
        corrected = [self.corrections.ranges(self._clock())] if self.corrections else []
        return [SPECIAL, *corrected, *listed, *packed]

    def _look_up(self, address: str) -> Located:
        if not len(self._known) % _A_WHILE and self._clock() >= self._until:
            self._turn()
        try:
            packed = inet_pton(AF_INET6, address) if ":" in address else inet_pton(AF_INET, address)
        except (OSError, ValueError):
            # Not remembered: what is no address may be of any length.
            return _MALFORMED
        embedded: Embedding = ""
        if len(packed) > _IPV4 and (packed[0] in WRAPPING or self.nat64):
            packed, embedded = unwrap(packed, self.nat64)
        if self._only is None or embedded or is_special(packed):
            found = self._shared(self._ask(packed, embedded))
        else:
            found = self._by_range(packed, self._only.ranges)
        if len(self._known) >= _REMEMBERED:
            self._forget()
        self._known[address] = found
        return found

    def _ask(self, packed: bytes, embedded: Embedding) -> _Said:
        correction = self.corrections.find(packed, self._now) if self.corrections is not None else None
        if is_special(packed):
            return embedded, correction, None, ()
        listed = self.networks.find(packed) if self.networks is not None else None
        return embedded, correction, listed, tuple([find(packed) for find in self._find])

    def _by_range(self, packed: bytes, ranges: Ranges) -> Located:
        code = ranges.code(packed)
        found = self._by_code.get(code)
        if found is None:
            found = self._by_code[code] = self._shared(self._ask(packed, ""))
        return found

    def _shared(self, said: _Said) -> Located:
        found = self._places.get(said)
        if found is None:
            found = self._places[said] = self._place(said)
        return found

    def _place(self, said: _Said) -> Located:
        embedded, correction, listed, answers = said
        if not answers and correction is None:
            return Located("", "absent", "private", network="private", embedded=embedded)
        stated = listed.place if listed else None
        agreed = agree.agree(answers)
        network = _strongest(listed, answers)
        territory, certainty, part = agreed.territory, agreed.certainty, agreed.subdivision
        if correction is not None:
            territory, certainty, part = correction.territory, "certain", correction.subdivision
            sure = agree.CORRECTED
        elif stated is not None:
            territory, certainty, part = stated.code, "certain", stated.subdivision
            sure = agree.weakened(agree.STATED, network, self._age(stated.as_of))
        else:
            age = min((self._age(self.sources[place].as_of) for place in agreed.upheld), default=0)
            sure = agree.confidence(agreed, network, age)
        return Located(
            territory,
            certainty,
            "public" if answers else "private",
            self._evidence(said),
            part or (agreed.subdivision if agreed.territory == territory else ""),
            network,
            sure,
            embedded,
        )

    def _evidence(self, said: _Said) -> tuple[SourceAnswer, ...]:
        """Every answer, also those that were outweighed."""
        _, correction, listed, answers = said
        corrected = []
        if correction is not None:
            made = text(correction.made_at)[:10] if correction.made_at else ""
            corrected = [SourceAnswer(corrections.SOURCE, correction.territory, made, correction.subdivision)]
        asked = [
            SourceAnswer(source.name, found.code, source.as_of, found.subdivision, found.network)
            for source, found in zip(self.sources, answers, strict=False)
        ]
        return (*corrected, *(listed.answers if listed else ()), *asked)

    def _age(self, as_of: str) -> int:
        """Days, by the day on which the memory was last emptied."""
        try:
            return self._now // DAY - (date.fromisoformat(as_of) - _EPOCH).days
        except ValueError:
            return 0

    def _turn(self) -> None:
        """At a correction's end, and once a day because data grow old, everything is looked up anew."""
        self._now = self._clock()
        end = self.corrections.next_end(self._now) if self.corrections else 0
        tomorrow = (self._now // DAY + 1) * DAY
        self._until = min(end, tomorrow) if end else tomorrow
        self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._places.clear()
        self._by_code.clear()

    def _hashed(self) -> str:
        parts = [f"{source.name} {source.as_of} {source.digest}" for source in self.sources]
        parts.append(self.networks.digest if self.networks else "")
        parts.append(repr(self.nat64))
        parts.extend(sorted(repr(one) for one in self.corrections.all()) if self.corrections else ())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _strongest(listed: Listed | None, answers: Sequence[Found]) -> Network:
    if not answers:
        return "private"
    told = [found.network for found in answers]
    return min([*told, listed.network] if listed else told, key=STRENGTH.__getitem__)


def load(
    home: Path | None = None,
    documents: Mapping[str, Any] = MappingProxyType({}),
    *,
    clock: Clock = system_clock,
    now: InForce | None = None,
    corrected: Sequence[Correction] | None = None,
) -> Atlas:
    """What `[atlas]` in `documents` (as of `Settings.documents`) names, with the corrections of the home.  `now` and
    `corrected`: builds and corrections to be tried in the place of those in force.

    Raises BadSetting naming the field, ModuleNotFoundError where the shipped data are wanted and not there,
    ValueError for data that are damaged or of another format.
    """
    plan = config.plan(documents)
    if now is None:
        now = builds.pointer(home).now if home else InForce()
    asked = [_source(home, now, source, f"atlas.sources[{number}].file") for number, source in enumerate(plan.sources)]
    lists = tuple(
        (one, _build(Path(one.file), f"atlas.networks[{number}].file")) for number, one in enumerate(plan.networks)
    )
    if len({source.name for source in asked}) < len(asked):
        raise BadSetting("atlas.sources: two sources answer under one name; give each a `name`")
    if corrected is None:
        corrected = corrections.read(home / "atlas" / corrections.FILE) if home else []
    return Atlas(
        asked,
        networks=_networks(lists) if lists else None,
        corrections=Corrections.of(corrected, clock()),
        nat64=plan.nat64,
        clock=clock,
    )


def _source(home: Path | None, now: InForce, source: config.SourceFile, field: str) -> Source:
    if source.file == config.SHIPPED:
        ranges, meta = read((builds.folder(home, now) if home else None) or package())
        return Packed(ranges, meta.source, meta.as_of, meta.sha256["ranges.xz"])
    path = Path(source.file)
    chosen = builds.chosen(home, now, path) if home else path
    build = _build(chosen, field)
    try:
        return _opened(chosen, source.name, build)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise BadSetting(f"{field}: {error}") from None


Build = tuple[int, int, int]
"""What tells one state of a file from another: its node, its time, its size."""


def _build(path: Path, field: str) -> Build:
    try:
        stat = path.stat()
    except OSError as error:
        raise BadSetting(f"{field}: {error}") from None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=4)
def _opened(path: Path, name: str, _build: Build) -> mmdb.Mmdb:
    """Once a process and build: a correction must not cost the reading of everything else."""
    return mmdb.open_file(path, name)


@lru_cache(maxsize=2)
def _networks(lists: tuple[tuple[config.ListFile, Build], ...]) -> Networks:
    """Likewise."""
    return Networks.of([_list(one, f"atlas.networks[{number}].file") for number, (one, _) in enumerate(lists)])


def _list(one: config.ListFile, field: str) -> networks.List:
    try:
        return networks.read(Path(one.file), one.kind, name=one.name, places=one.places, as_of=one.as_of)
    except (OSError, ValueError) as error:
        raise BadSetting(f"{field}: {error}") from None


def package() -> Path:
    """The data that are installed with gapura-atlas.  Raises ModuleNotFoundError where it is not."""
    try:
        return Path(str(files("gapura_atlas"))) / "data"
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "no place data: install them with `pip install gapura-atlas` (in a checkout: make install)"
        ) from None


def read(folder: Path) -> tuple[Ranges, Meta]:
    """Once a process and build, however many gateways live in it."""
    stat = (folder / "ranges.xz").stat()
    return _read(folder, (folder / "meta.json").read_bytes(), (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=4)
def _read(folder: Path, described: bytes, _build: tuple[int, int]) -> tuple[Ranges, Meta]:
    meta = msgspec.json.decode(described, type=Meta)
    data = (folder / "ranges.xz").read_bytes()
    if meta.format != FORMAT:
        raise ValueError(f"{folder} has place data of format {meta.format}, and this release reads {FORMAT}")
    if hashlib.sha256(data).hexdigest() != meta.sha256.get("ranges.xz"):
        raise ValueError(f"{folder / 'ranges.xz'} is not the file that meta.json describes; build or install it anew")
    return Ranges.parse(lzma.decompress(data)), meta
