"""What was requested: one request a line, by id, with its outcome and attempts."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.responses import StreamingResponse

from gapura.console.operations import Call, Operation
from gapura.console.usage import period
from gapura.store import records

JSON_LINES = "application/x-ndjson"
ENCODER = msgspec.json.Encoder()


class Asked(msgspec.Struct, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """Requests behind the id `after`, begun `from` ≤ … < `to` (RFC 3339); `limit` 0: all."""

    after: str = ""
    limit: int = 0
    since: str = ""
    until: str = ""


async def export(call: Call, query: Asked) -> StreamingResponse:
    """The record as JSON lines, in the order of ids; constant memory, however long it is."""
    since, until = period(query.since, query.until)
    return StreamingResponse(_lines(call, query, since, until), media_type=JSON_LINES)


async def _lines(call: Call, query: Asked, since: int, until: int) -> AsyncIterator[bytes]:
    after, left = query.after, query.limit or None
    store, scope = call.context.store, call.who.scope
    while left is None or left > 0:
        # A page is a read of its own: a long export must not keep the write-ahead log from being folded in.
        page = await asyncio.to_thread(store.read, lambda db, after=after: records.export(db, after, scope=scope))
        if not page:
            return
        chosen = [row for row in page if since <= row["opened_at"] < until][:left]
        yield ENCODER.encode_lines(chosen)
        after = page[-1]["id"]
        left = None if left is None else left - len(chosen)


OPERATIONS = (Operation("GET", "/records", ("record.read",), export, media=JSON_LINES),)
