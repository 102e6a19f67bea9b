"""The ledger: what its accounts have, what was posted, which months are closed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar, cast

import msgspec
from starlette.responses import StreamingResponse

from gapura.console.accounts import Trial
from gapura.console.operations import Call, Intent, Limit, Operation, Rehearsed
from gapura.console.records import ENCODER, JSON_LINES
from gapura.store.base import Connection
from gapura.store.ledger import Books, Ledger, archive, closing, told
from gapura.store.ledger import pending as waiting
from gapura.store.ledger.closing import Month
from gapura.store.ledger.pending import Listed
from gapura.store.ledger.told import Kept, Transfer

T = TypeVar("T")
PAGE = 5000


class Chosen(msgspec.Struct, forbid_unknown_fields=True):
    """Behind number `after`; of one `purse` (`tok:acc_…`, `gr:grt_…`, `bud:…`), or of one `account` of the ledger
    (`spent:tok:acc_…:input`)."""

    purse: str = ""
    account: str = ""
    after: int = 0
    limit: Limit = 100


class AccountsKept(msgspec.Struct, frozen=True):
    """`next` 0: this is the last page."""

    items: list[Kept]
    next: int


class Transfers(msgspec.Struct, frozen=True):
    """`next` 0: this is the last page."""

    items: list[Transfer]
    next: int


class Months(msgspec.Struct, frozen=True):
    items: list[Month]


class Waiting(msgspec.Struct, frozen=True):
    """`refused` "": it is posted as soon as the shared ledger's server answers."""

    items: list[Listed]


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`month` as 2026-07, in UTC."""

    month: str
    reason: str = ""


class Closed(msgspec.Struct, frozen=True):
    dry_run: bool
    month: Month


class Archived(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file is kept: `file` says where, and `sha256` what is in it; both stand in the audit."""

    file: str
    sha256: str


class Dropped(msgspec.Struct, frozen=True):
    """`transfers` are in the ledger no more."""

    month: str
    transfers: int


async def list_(call: Call, query: Chosen) -> AccountsKept:
    """Accounts of the ledger and what they have."""
    found = await _read(call, lambda db: told.accounts(db, purse=query.purse, after=query.after, limit=query.limit))
    return AccountsKept(found, found[-1].id if len(found) == query.limit else 0)


async def transfers(call: Call, query: Chosen) -> Transfers:
    """Transfers, oldest first; what is archived is in its files."""
    found = await _read(
        call,
        lambda db: told.transfers(db, purse=query.purse, account=query.account, after=query.after, limit=query.limit),
    )
    return Transfers(found, found[-1].id if len(found) == query.limit else 0)


async def export(call: Call, query: Chosen) -> StreamingResponse:
    """All transfers as JSON lines; constant memory, however many there are."""
    return StreamingResponse(_lines(call, query), media_type=JSON_LINES)


async def months(call: Call) -> Months:
    """The months that are closed."""
    return Months(await _read(call, closing.months))


async def close(call: Call, query: Trial, body: Closing) -> Closed:
    """Closes a month, and with it all before it, for ever: nothing is posted into it any more."""
    closing.ends(body.month)
    context, at = call.context, call.context.store.clock()

    def work(db: Books) -> Month:
        return closing.close_month(db, context.store.secret, body.month, at)

    intent = Intent("ledger.close", body.month, body.reason, query.dry_run)
    if context.ledger is None:
        return Closed(query.dry_run, await call.change(intent, work, Month))
    if query.dry_run:
        return Closed(query.dry_run, await _rehearsed(context.ledger, work))
    done = await asyncio.wrap_future(context.ledger.alone(work))
    return Closed(query.dry_run, await call.change(intent, lambda _: done, Month))


async def archived(call: Call, month: str, body: Archived) -> Dropped:
    """Deletes a closed month's transfers, which `gapura ledger archive` wrote to a file; their refs stay known."""

    def entered(_: Connection) -> str:
        return month

    await _read(call, lambda db: archive.ready(db, month))
    await call.change(Intent("ledger.archive", month, f"{body.file} {body.sha256}"), entered, str)
    books, dropped = call.context.books, 0
    while count := await asyncio.wrap_future(books.write(lambda db: archive.drop(db, month))):
        dropped += count
    return Dropped(month, dropped)


async def pending(call: Call) -> Waiting:
    """What is to be posted to a shared ledger, and what it refused."""
    return Waiting(await call.read(waiting.listed))


async def _read(call: Call, work: Callable[[Books], T]) -> T:
    return await asyncio.to_thread(call.context.books.read, work)


async def _rehearsed(books: Ledger, work: Callable[[Books], Month]) -> Month:
    def run(db: Books) -> None:
        raise Rehearsed(work(db))

    try:
        await asyncio.wrap_future(books.alone(run))
    except Rehearsed as done:
        return cast(Month, done.result)
    raise AssertionError("a rehearsal gives its result by what it raises")


async def _lines(call: Call, query: Chosen) -> AsyncIterator[bytes]:
    after = query.after

    def page(db: Books) -> list[Transfer]:
        return told.transfers(db, purse=query.purse, account=query.account, after=after, limit=PAGE)

    while found := await _read(call, page):
        yield ENCODER.encode_lines(found)
        after = found[-1].id


OPERATIONS = (
    Operation("GET", "/ledger/accounts", ("ledger.read",), list_),
    Operation("GET", "/ledger/transfers", ("ledger.read",), transfers),
    Operation("GET", "/ledger/export", ("ledger.read",), export, media=JSON_LINES),
    Operation("GET", "/ledger/months", ("ledger.read",), months),
    Operation("GET", "/ledger/pending", ("ledger.read",), pending),
    Operation("POST", "/ledger/months", ("ledger.close",), close),
    Operation("POST", "/ledger/months/{month}/archived", ("ledger.close",), archived),
)
