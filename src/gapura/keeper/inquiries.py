"""Answers what callers ask of their own use: pages as OpenAI has them, and `/v1/usage` with what is left of grants.

Read beside the writer, on threads, two at a time: whoever asks for much waits for others who do, and no request does.
"""

import asyncio
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl

import msgspec
import structlog

from gapura.clock import SECOND, Clock
from gapura.errors import BadRequest, GapuraError
from gapura.providers.prices import Prices
from gapura.store import accounts, grants, ledger, uses
from gapura.store.base import Connection
from gapura.store.ledger import Ledger
from gapura.store.sqlite import Store
from gapura.terms.link import Inquire, Told
from gapura.terms.price import exact, rounded
from gapura.wire import usage_pages
from gapura.wire.usage_pages import COSTS, COUNTED, Asked, Spent

log = structlog.get_logger()

AT_ONCE = 2
MOST_ROWS = 200_000
DAY = 86_400 * SECOND
DAYS = 30
BY = ("day", "model")


class Inquiries:
    """`shared`: the ledger where the store does not keep it."""

    def __init__(self, store: Store, prices: Callable[[], Prices], clock: Clock, shared: Ledger | None = None) -> None:
        self._store, self._prices, self._clock = store, prices, clock
        self._books: Ledger = shared or store
        self._room = asyncio.Semaphore(AT_ONCE)

    async def answer(self, asked: Inquire) -> Told:
        async with self._room:
            try:
                body = await asyncio.to_thread(self._store.read, lambda db: self._body(db, asked))
            except GapuraError as error:
                return Told(asked.n, b"", error.message, error.param or "", error.status)
            except Exception as error:
                log.exception("a question about use failed", path=asked.path, error=repr(error))
                return Told(asked.n, b"", "That could not be looked up; the keeper's log tells why.", status=500)
        return Told(asked.n, body)

    def _body(self, db: Connection, asked: Inquire) -> bytes:
        now = self._clock()
        if asked.path == "/v1/usage":
            return self._own(db, asked, now)
        wanted = usage_pages.read(asked.path, asked.query, now // SECOND)
        if asked.path == COSTS:
            return usage_pages.costs_page(wanted, self._costs(db, asked.account, wanted))
        found = uses.bucketed(db, asked.account, wanted, COUNTED.get(asked.path, ""))
        return usage_pages.usage_page(asked.path, wanted, found)

    def _costs(self, db: Connection, account: str, asked: Asked) -> Iterator[Spent]:
        """What no grant paid, at the prices of the day; what has no price is left out."""
        found = uses.rows(db, account, asked, MOST_ROWS + 1)
        if len(found) > MOST_ROWS:
            raise BadRequest("That is more than can be told at once. Ask for fewer days.", param="limit")
        prices = self._prices()
        for row in found:
            price = prices.of(row.provider, row.model, row.at)
            asks = exact(price.tiers, row.inputs, row.classes) if price is not None else None
            if price is not None and asks is not None:
                amount = max(rounded(asks) - row.paid, 0)
                yield Spent(asked.bucket(row.at // SECOND), row.key, row.model, price.currency, amount)

    def _own(self, db: Connection, asked: Inquire, now: int) -> bytes:
        since, until, by = _read(asked.query, now)
        rows = uses.grouped(db, by, None, asked.account, since, until)
        budget = accounts.get(db, None, asked.account).budget
        held, has = self._books.read(
            lambda books: (
                grants.of_account(books, asked.account, now),
                ledger.standing(books, f"tok:{asked.account}") if budget >= 0 else None,
            )
        )
        told = {
            "object": "gapura.usage",
            "start_time": since // SECOND,
            "end_time": until // SECOND,
            "data": [row.of | {name: getattr(row, name) for name in row._fields[1:]} for row in rows],
            "grants": [
                {
                    "id": one.terms.id,
                    "programme": one.terms.programme,
                    "state": one.state,
                    "unit": one.terms.unit,
                    "granted": one.standing.granted,
                    "spent": one.standing.spent,
                    "left": one.standing.left + one.standing.lent,
                    "expires": one.terms.expires // SECOND,
                    "models": one.terms.models,
                }
                for one in held
            ],
            "budget": has,
        }
        return msgspec.json.encode(told)


def _read(query: str, now: int) -> tuple[int, int, tuple[str, ...]]:
    """`start_time`, `end_time` (seconds; the last 30 days), `group_by` (of day, key, model, provider, place)."""
    said = dict(parse_qsl(query, max_num_fields=50))
    allowed = [name for name in uses.GROUPS if name != "account"]
    for name in said:
        if name not in {"start_time", "end_time", "group_by"}:
            raise BadRequest(f"There is no parameter {name}.", param=name)
    by = tuple(dict.fromkeys(said.get("group_by", ",".join(BY)).split(",")))
    for name in by:
        if name not in allowed:
            raise BadRequest(f"group_by {name} is none of {', '.join(allowed)}.", param="group_by")
    times = []
    for name, default in (("start_time", now - DAYS * DAY), ("end_time", now + SECOND)):
        value = said.get(name, "")
        if value and not (value.isascii() and value.isdecimal() and len(value) < 12):  # noqa: PLR2004 - digits of a second
            raise BadRequest(f"{name} must be seconds since 1970.", param=name)
        times.append(int(value) * SECOND if value else default)
    return times[0], times[1], by
