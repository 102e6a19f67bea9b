"""What an atlas consists of: every file, its date and age, under which terms it comes, and whether it is sound."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from lzma import LZMAError
from pathlib import Path
from typing import Any, Literal

import msgspec

from gapura.atlas import builds, candidates, config, corrections, mmdb, networks, sources
from gapura.atlas.builds import InForce

STALE_DAYS = 90
"""Registries move about one address block in a hundred a month."""

Origin = Literal["package", "home", "build", "configured"]

EPOCH = date(1970, 1, 1)
DAY = 86_400 * 1_000_000

# What missing, damaged or foreign files raise, and an extra that is not installed; BadSetting is a ValueError.
TROUBLE = (ValueError, OSError, ImportError, RuntimeError, EOFError, LZMAError, msgspec.MsgspecError)


class Held(msgspec.Struct, frozen=True):
    """A source, in the order in which it is asked.  `origin`: package, home (put there by hand), build (an update), or
    configured.  `counts`: ranges by family, where the data say.  `url` and `licence` are to be named with results."""

    name: str
    origin: Origin
    file: str
    as_of: str
    age_days: int
    title: str
    digest: str
    counts: dict[str, int] = {}
    licence: str = ""
    licence_url: str = ""
    url: str = ""


class Listing(msgspec.Struct, frozen=True):
    """A list of one kind of network."""

    name: str
    kind: str
    file: str
    as_of: str
    age_days: int


class Finding(msgspec.Struct, frozen=True):
    """`state`: stale data still answer; damaged ones do not."""

    what: str
    state: Literal["ok", "stale", "damaged"]
    found: str


def held(home: Path, documents: Mapping[str, Any], at: int) -> list[Held]:
    """The sources in force, read again.  Raises as `sources.load`."""
    now = builds.pointer(home).now
    return [_held(home, now, one, at) for one in config.plan(documents).sources]


def listings(documents: Mapping[str, Any], at: int) -> list[Listing]:
    found = []
    for one in config.plan(documents).networks:
        path = Path(one.file)
        as_of = one.as_of or datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
        found.append(Listing(one.name or path.stem, one.kind, one.file, as_of, _age(as_of, at)))
    return found


def verify(home: Path, documents: Mapping[str, Any], at: int) -> list[Finding]:
    """Every file is read and hashed anew.  Raises BadSetting for a table `[atlas]` that cannot be meant."""
    plan = config.plan(documents)
    pointed = InForce()

    def pointer() -> str:
        nonlocal pointed
        at_home = builds.pointer(home)
        pointed = at_home.now
        return "an update can be taken back" if at_home.former else "no update to take back"

    def standing(one: config.SourceFile) -> Held:
        return _held(home, pointed, one, at, deep=True)

    def corrected() -> str:
        made = corrections.read(home / "atlas" / corrections.FILE)
        return f"{len(corrections.Corrections.of(made, at).all())} in force"

    checks: list[tuple[str, Callable[[], str | Held | Listing]]] = [("builds", pointer)]
    checks += [(one.file, partial(standing, one)) for one in plan.sources]
    checks += [(one.file, partial(_listing, one, at)) for one in plan.networks]
    checks.append(("corrections", corrected))
    return [_finding(what, check) for what, check in checks]


def unsound(findings: Sequence[Finding]) -> bool:
    return any(finding.state != "ok" for finding in findings)


def _finding(what: str, check: Callable[[], str | Held | Listing]) -> Finding:
    try:
        found = check()
    except TROUBLE as error:
        return Finding(what, "damaged", str(error))
    if isinstance(found, str):
        return Finding(what, "ok", found)
    state: Literal["ok", "stale"] = "stale" if found.age_days > STALE_DAYS else "ok"
    told = f"{found.name} of {found.as_of}, {found.age_days} days old"
    return Finding(what, state, f"{told}; more than {STALE_DAYS}" if state == "stale" else told)


def _held(home: Path, now: InForce, one: config.SourceFile, at: int, *, deep: bool = False) -> Held:
    origin: Origin
    if one.file == config.SHIPPED:
        folder = builds.folder(home, now)
        origin = "build" if now.build else "home" if folder else "package"
        folder = folder or sources.package()
        meta = candidates.examine(folder)
        _unchanged(now.build, meta.sha256["ranges.xz"], folder)
        return Held(
            meta.source, origin, str(folder / "ranges.xz"), meta.as_of, _age(meta.as_of, at), meta.title,
            meta.sha256["ranges.xz"], meta.counts, meta.licence, meta.licence_url, meta.url,
        )  # fmt: skip
    path = builds.chosen(home, now, Path(one.file))
    source = mmdb.open_file(path, one.name or Path(one.file).stem)
    _unchanged(now.files.get(path.name, ""), source.digest, path)
    if deep:
        candidates.walk(source)
    origin = "build" if path.name in now.files else "configured"
    return Held(source.name, origin, str(path), source.as_of, _age(source.as_of, at), source.title, source.digest)


def _unchanged(build: str, digest: str, path: Path) -> None:
    """A build has its name from its digest."""
    if not digest.startswith(build):
        raise ValueError(f"{path} is not what was put in force")


def _listing(one: config.ListFile, at: int) -> Listing:
    read = networks.read(Path(one.file), one.kind, name=one.name, places=one.places, as_of=one.as_of)
    return Listing(read.name, one.kind, one.file, read.as_of, _age(read.as_of, at))


def _age(as_of: str, at: int) -> int:
    return at // DAY - (date.fromisoformat(as_of) - EPOCH).days
