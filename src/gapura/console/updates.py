"""New place data: looked into, compared with those in force, and put in force in one step; and taken back."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gapura.atlas import builds, candidates, compare, config, sources
from gapura.atlas.base import Source
from gapura.atlas.builds import InForce, Pointer
from gapura.atlas.candidates import BadData, Candidate
from gapura.atlas.compare import Comparison, Objection
from gapura.atlas.sources import Atlas, Packed
from gapura.console.foretold import Foretold, foretold, renewed, tried
from gapura.console.operations import Call, Intent, Operation, Upload
from gapura.console.problems import Invalid
from gapura.rulebook.consequences import Consequences
from gapura.store.base import Conflict, Connection


class Handed(Foretold, forbid_unknown_fields=True, kw_only=True):
    """`name` of the file; `sha256`: what it must be, in hexadecimal; `package`: no file comes, the installed data of
    gapura-atlas take the place of an earlier update.  `force`: in spite of objections, for a `reason`."""

    name: str = ""
    sha256: str = ""
    package: bool = False
    force: bool = False
    reason: str = ""


class Back(Foretold, forbid_unknown_fields=True, kw_only=True):
    reason: str = ""


class Updated(msgspec.Struct, frozen=True):
    """`applied`: the data are in force.  They are not on a dry run, where there are objections and no force, and
    where they were before (`same`).  `replaces`: the .mmdb that they stand for, "" for the packed ranges.  `version`
    is that of the atlas afterwards."""

    dry_run: bool
    applied: bool
    same: bool
    version: str
    source: str
    as_of: str
    digest: str
    replaces: str
    comparison: Comparison
    objections: list[Objection]
    consequences: Consequences


async def update(call: Call, query: Handed, body: Upload) -> Updated:
    """Checks new place data and says what they move and whom they hit or release; then puts them in force at once, in
    every gate.  What fails a check changes nothing."""
    if query.force and not query.reason.strip():
        raise Invalid("reason is missing: say why the objections do not hold", param="reason")
    if query.sha256 and query.sha256.lower() != body.sha256:
        raise Invalid(f"sha256: the file has {body.sha256}; it is damaged, or another one", param="sha256")
    home, documents = call.context.settings.home, call.context.documents()
    if query.package:
        return await _weighed(call, query, "", lambda now: msgspec.structs.replace(now, build=""), force=query.force)
    data, build = await asyncio.to_thread(_kept, home, documents, body.path, query.name)

    def to(now: InForce) -> InForce:
        if data.replaces:
            return msgspec.structs.replace(now, files={**now.files, data.replaces: build})
        return msgspec.structs.replace(now, build=build)

    try:
        return await _weighed(call, query, data.replaces, to, force=query.force)
    finally:
        await asyncio.to_thread(builds.drop, home, build)


async def back(call: Call, query: Back) -> Updated:
    """Puts the data that were in force before the last update in force again."""
    at = builds.pointer(call.context.settings.home)
    if (former := at.former) is None:
        raise Conflict("there is no update to take back")
    changed = [name for name in {**at.now.files, **former.files} if at.now.files.get(name) != former.files.get(name)]
    replaces = "" if at.now.build != former.build or not changed else changed[0]
    return await _weighed(call, query, replaces, lambda _: former, force=True)


async def _weighed(
    call: Call, query: Handed | Back, replaces: str, to: Callable[[InForce], InForce], *, force: bool
) -> Updated:
    atlas = await tried(call, to(builds.pointer(call.context.settings.home).now), None)
    place = _place(call.context.documents(), replaces)
    before, after = call.context.atlas().sources[place], atlas.sources[place]
    found = await asyncio.to_thread(_compared, before, after)
    told = await foretold(call, atlas, query.days)
    against = compare.objections(found, former_as_of=before.as_of, as_of=after.as_of)
    same = before.digest == after.digest
    applied = not query.dry_run and not same and (force or not against)
    if applied:
        atlas = await _switched(call, Intent("atlas.update", after.digest[:16], query.reason), to)
    return Updated(
        dry_run=query.dry_run,
        applied=applied,
        same=same,
        version=atlas.version if applied else call.context.atlas().version,
        source=after.name,
        as_of=after.as_of,
        digest=after.digest,
        replaces=replaces,
        comparison=found,
        objections=against,
        consequences=told,
    )


async def _switched(call: Call, intent: Intent, to: Callable[[InForce], InForce]) -> Atlas:
    """The switch is part of the transaction that holds the audit entry; what fails behind it is undone."""
    home = call.context.settings.home
    before = builds.pointer(home)

    def work(_: Connection) -> str:
        at = builds.pointer(home)
        builds.switch(home, Pointer(to(at.now), at.now))
        return intent.subject

    try:
        await call.change(intent, work, str)
        return await renewed(call)
    except Exception:
        builds.switch(home, before)
        raise


def _kept(home: Path, documents: Mapping[str, Any], upload: Path, name: str) -> tuple[Candidate, str]:
    """The candidate, and the build that it became.  Raises Invalid."""
    draft = builds.draft(home)
    try:
        data = candidates.read(upload, name, draft)
        _place(documents, data.replaces)
        return data, builds.keep(home, draft, data.digest)
    except (BadData, ModuleNotFoundError) as error:
        raise Invalid(str(error), param="name") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _place(documents: Mapping[str, Any], replaces: str) -> int:
    """Of the source that these data are, among all.  Raises Invalid where no source would read them."""
    files = [one.file for one in config.plan(documents).sources]
    if replaces:
        named = ["" if file == config.SHIPPED else Path(file).name for file in files]
        if replaces not in named:
            known = ", ".join(filter(None, named)) or "no .mmdb at all"
            raise Invalid(f"[atlas] of gapura.toml names no source {replaces}; it names {known}", param="name")
        return named.index(replaces)
    if config.SHIPPED not in files:
        raise Invalid(f'[atlas] of gapura.toml does not ask the source "{config.SHIPPED}"', param="name")
    return files.index(config.SHIPPED)


def _compared(before: Source, after: Source) -> Comparison:
    if isinstance(before, Packed) and isinstance(after, Packed):
        return compare.ranges(before.ranges, after.ranges)
    return compare.sources(before, after, sources.read(sources.package())[0])


OPERATIONS = (
    Operation("POST", "/atlas/update", ("rulebook.read", "record.read", "atlas.write"), update),
    Operation("POST", "/atlas/back", ("rulebook.read", "record.read", "atlas.write"), back),
)
