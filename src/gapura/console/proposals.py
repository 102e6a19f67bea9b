"""Policy documents as this deployment would read them, and what speaks against putting one in force."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from gapura.console.operations import Call
from gapura.console.problems import Invalid
from gapura.rulebook import lints, papers, trials
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.formats import Format, parse
from gapura.rulebook.lints import Lint
from gapura.rulebook.papers import Paper
from gapura.rulebook.trials import Outcome
from gapura.settings import DOCUMENTS, FILE_NAMES
from gapura.store import rulebooks
from gapura.store.base import Connection
from gapura.store.rulebooks import Document, Version

CURRENT, DEFAULT = "current", "default"
"""Names beside those of versions: what is in force, and what holds where nobody has written a policy."""


MEDIA = "application/toml"
"""What a document comes as, unless its `format` says otherwise."""


class Proposal(NamedTuple):
    """A document, and the rulebook that it makes here.  `whole`: a gapura.toml, which is put in force by whoever can
    write the file; its lints are told, and refuse nothing."""

    rules: Rules
    paper: Paper
    whole: bool = False


class Findings(msgspec.Struct, frozen=True):
    """What a document's own tests and the lints say.  `stands`: nothing of it keeps the document from being put in
    force."""

    stands: bool
    tests: list[Outcome]
    lints: list[Lint]

    def against(self) -> list[str]:
        """In words, what does."""
        failed = [f"a test fails: {outcome}" for outcome in self.tests if not outcome.passed]
        return failed + [f"{lint}; mend it, or accept it under [lints]" for lint in self.lints if lint.refuses]


class Written(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """In which format a document comes."""

    format: Format = "toml"


class Side(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version (or `current`, or `default`), or else a `document`."""

    version: str = ""
    document: str = ""
    format: Format = "toml"


async def read(call: Call, content: bytes, written_in: Format) -> Proposal:
    """A policy document, within the gapura.toml in force.  Raises BadDocument naming the field."""

    def work() -> Proposal:
        paper = papers.read(content, written_in)
        return _made(call, paper.within(call.context.documents()), paper)

    return await asyncio.to_thread(work)


async def read_any(call: Call, content: bytes, written_in: Format) -> Proposal:
    """The same, or a whole gapura.toml.  Raises BadDocument."""

    def work() -> Proposal | None:
        tables = parse(content, written_in)
        if "policies" in tables and tables.keys() <= set(papers.TABLES):
            return None
        for name in tables:
            if name not in (*DOCUMENTS, *FILE_NAMES):
                raise BadDocument(name, "there is no such table or setting")
        documents = {name: tables[name] for name in DOCUMENTS if name in tables}
        if not papers.decides(documents):
            documents |= stored_tables(call)
        return _made(call, documents, papers.part(documents))._replace(whole=True)

    return await asyncio.to_thread(work) or await read(call, content, written_in)


def stored_tables(call: Call) -> dict[str, object]:
    """What the version in force adds to a gapura.toml that says nothing.  Raises StoreFailed where it is damaged."""
    active = call.context.store.read(lambda db: rulebooks.in_state(db, "active"))
    return papers.read(*active.content).tables if active else {}


async def stored(call: Call, name: str) -> tuple[Version, Document]:
    """A version by its name.  Raises NotFound, and StoreFailed where it is damaged."""

    def work(db: Connection) -> tuple[Version, Document]:
        version = rulebooks.get(db, name)
        return version, rulebooks.document(db, version.id)

    return await call.read(work)


async def unwritten(call: Call) -> Proposal:
    """Every list that guards a provider, as it stands."""
    nothing = papers.part({})
    return await asyncio.to_thread(_made, call, nothing.within(call.context.documents()), nothing)


def _made(call: Call, documents: Mapping[str, Any], paper: Paper) -> Proposal:
    return Proposal(Rules(call.context.check(documents), call.context.atlas().locate), paper)


async def side(call: Call, one: Side, param: str) -> Rules:
    """What one side of a comparison is, or would be in force.  Raises Invalid, NotFound, BadDocument, StoreFailed."""
    if bool(one.version) == bool(one.document):
        raise Invalid(f"{param}: give a version, or a document", param=param)
    if one.version == CURRENT:
        return call.context.rules()
    if one.version == DEFAULT:
        return (await unwritten(call)).rules
    if one.version:
        _, document = await stored(call, one.version)
        return (await read(call, *document.content)).rules
    return (await read_any(call, one.document.encode(), one.format)).rules


async def look(call: Call, proposal: Proposal) -> Findings:
    """Runs the document's tests, and looks for what is wrong with it.  Raises BadDocument for a test of nothing."""
    at, atlas = call.context.store.clock(), call.context.atlas()

    def work() -> Findings:
        outcomes = trials.run(proposal.rules, proposal.paper.trials, atlas.locate, at)
        found = lints.lints(proposal.rules.book.policies, proposal.paper.limits, at)
        if proposal.whole:
            found = [msgspec.structs.replace(lint, severity="warn") for lint in found]
        stands = all(outcome.passed for outcome in outcomes) and not any(lint.refuses for lint in found)
        return Findings(stands, outcomes, found)

    return await asyncio.to_thread(work)
