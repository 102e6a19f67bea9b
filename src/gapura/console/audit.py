"""Who did what, when, to what, and why; whether anybody changed that; and all of it as files that prove it."""

import asyncio
from collections.abc import AsyncIterator
from tempfile import TemporaryFile
from typing import BinaryIO

import msgspec
from starlette.responses import HTMLResponse, StreamingResponse

from gapura.console import dossiers
from gapura.console.operations import Call, Intent, Operation
from gapura.console.records import JSON_LINES
from gapura.store import audit, facts
from gapura.store.audit import Entry, Problem
from gapura.store.base import Connection
from gapura.store.dossier import Dossier, dossier
from gapura.store.sqlite import Store

HTML = "text/html"
CHUNK = 256 * 1024


class Pages(msgspec.Struct, forbid_unknown_fields=True):
    """Entries behind number `after`."""

    after: int = 0
    limit: int = 100


class Since(msgspec.Struct, forbid_unknown_fields=True):
    """Only entries behind number `after`, which the file then begins with the hash of."""

    after: int = 0


class Entries(msgspec.Struct, frozen=True):
    """`next` 0: this is the last page."""

    items: list[Entry]
    next: int


class Verified(msgspec.Struct, frozen=True):
    """`problem` None: every entry is as it was written, and so is every fact that is sealed.  `seq`, `hash`: the last
    entry's; whoever keeps them elsewhere can see later that nothing was written anew."""

    sound: bool
    problem: Problem | None
    seq: int
    hash: str


async def list_(call: Call, query: Pages) -> Entries:
    """Audit entries, oldest first."""
    limit = max(1, min(query.limit, 1000))
    found = await call.read(lambda db: audit.entries(db, query.after, limit))
    return Entries(found, found[-1].seq if len(found) == limit else 0)


async def verify(call: Call) -> Verified:
    """Reads the whole chain of hashes, and says where it is broken."""

    def work(db: Connection) -> Verified:
        problem = audit.verify(db, call.context.store.secret) or facts.verify(db)
        seq, digest = audit.head(db)
        return Verified(problem is None, problem, seq, digest.hex())

    return await call.read(work)


async def export(call: Call, query: Since) -> StreamingResponse:
    """The audit as JSON lines, which anybody can verify without this program."""
    file = await asyncio.to_thread(_written, call.context.store, query.after)
    return StreamingResponse(_pieces(file), media_type=JSON_LINES)


async def evidence(call: Call, account: str) -> Dossier:
    """Everything about one account that may have to be shown: who, what was known, told, asked and done, with proof."""
    return await _dossier(call, account)


async def evidence_page(call: Call, account: str) -> HTMLResponse:
    """The same as one page to read and to print."""
    return HTMLResponse(dossiers.page(await _dossier(call, account)))


async def _dossier(call: Call, account: str) -> Dossier:
    """That it was taken stands in the audit, too: it names people."""
    at = call.context.store.clock()
    found = await call.read(lambda db: dossier(db, call.context.store.secret, account, at))
    await call.change(Intent("audit.evidence", account, "an evidence pack was made"), lambda _: "", str)
    return found


def _written(store: Store, after: int) -> BinaryIO:
    """In a file without a name: one state of the store, however long a reader takes."""
    file = TemporaryFile(dir=store.path.parent)  # noqa: SIM115 - closed when it has been read

    def work(db: Connection) -> None:
        file.writelines(audit.lines(db, store.secret, store.clock(), after))

    try:
        store.read(work)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, CHUNK):
            yield piece


OPERATIONS = (
    Operation("GET", "/audit", ("audit.read",), list_),
    Operation("GET", "/audit/verify", ("audit.read",), verify),
    Operation("GET", "/audit/export", ("audit.read",), export, media=JSON_LINES),
    Operation("GET", "/accounts/{account}/evidence", ("audit.read",), evidence),
    Operation("GET", "/accounts/{account}/evidence.html", ("audit.read",), evidence_page, media=HTML),
)
