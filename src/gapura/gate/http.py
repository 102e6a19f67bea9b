"""What a gate serves: one ASGI callable, one table of paths.

What a model answers goes down the request river; everything else is answered from memory.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple

import msgspec

from gapura.errors import GapuraError, NotFound, Unready
from gapura.gate import kept, models
from gapura.gate.head import refusal
from gapura.gate.inquiries import Inquiries
from gapura.gate.metrics import Metrics
from gapura.providers import estimators
from gapura.request import pipeline
from gapura.request.accept import Exchange, Receive, Scope, Send
from gapura.request.identify import identify
from gapura.request.pipeline import Gate
from gapura.terms import ids
from gapura.wire import exposition
from gapura.wire.dialect import Dialect
from gapura.wire.endpoints import ENDPOINTS
from gapura.wire.messages import MESSAGES, request
from gapura.wire.openai import CHAT
from gapura.wire.usage_pages import COSTS, COUNTED, USAGE

Handler = Callable[[Exchange], Awaitable[None]]


class Endpoint(NamedTuple):
    """Errors of a path are said in its dialect, those of the edge in OpenAI's."""

    method: str
    handler: Handler
    dialect: Dialect = CHAT


JSON = [(b"content-type", b"application/json")]

# What the keeper answers, since gates have no database.
INQUIRIES = ("/v1/usage", USAGE, *COUNTED, COSTS)

_ENCODER = msgspec.json.Encoder()


class App:
    """The gate's ASGI application.  `atlas_problem`: why its place data are not the newest, "" where they are."""

    def __init__(
        self, gate: Gate, metrics: Metrics, atlas_problem: Callable[[], str] = str, inquiries: Inquiries | None = None
    ) -> None:
        self._inquiries = inquiries
        self._gate, self._metrics, self._atlas_problem = gate, metrics, atlas_problem
        self._paths: Mapping[str, Endpoint] = {
            **{path: Endpoint("POST", self._serve, dialect) for path, dialect in ENDPOINTS.items()},
            "/v1/messages/count_tokens": Endpoint("POST", self._count, MESSAGES),
            "/v1/models": Endpoint("GET", self._models),
            **{path: Endpoint("GET", self._inquire) for path in INQUIRIES},
            "/livez": Endpoint("GET", self._livez),
            "/readyz": Endpoint("GET", self._readyz),
            "/metrics": Endpoint("GET", self._show_metrics),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        at = self._gate.clock()
        exchange = Exchange(scope, receive, send, request_id=ids.new("req", at), at=at)
        if self._gate.rules.book.sandbox:
            exchange.notes.append((b"gapura-sandbox", b"1"))
        method, handler, exchange.dialect = self._paths.get(exchange.path) or self._unlisted(
            exchange.path, scope["method"]
        )
        try:
            if scope["method"] != method:
                exchange.notes.append((b"allow", method.encode()))
                raise refusal(405, "method_not_allowed", f"{exchange.path} takes {method} only.")
            await handler(exchange)
        except GapuraError as error:
            await exchange.fail(error)
        self._metrics.served(exchange.path if exchange.path in self._paths else "", exchange)

    def _serve(self, exchange: Exchange) -> Awaitable[None]:
        return pipeline.serve(exchange, self._gate)

    async def _count(self, exchange: Exchange) -> None:
        """Of a request to /v1/messages: by our estimate, since nothing is sent, and said so."""
        gate = self._gate
        body = await exchange.body(gate.max_body)
        route = models.route_of(gate, exchange, request.read_counted(body).model)
        exchange.notes.append((b"gapura-estimated", b"input_tokens"))
        await self._say(exchange, {"input_tokens": estimators.inputs(route.targets[0].provider, body)})

    async def _models(self, exchange: Exchange) -> None:
        await self._say(exchange, models.listed(self._gate, exchange))

    async def _inquire(self, exchange: Exchange) -> None:
        """What the caller's account used; the keeper tells."""
        caller = identify(exchange.headers, self._gate.directory, self._gate.pepper, exchange.at)
        if self._inquiries is None:
            raise Unready("This gateway cannot look up what was used.")
        query = exchange.query.decode("latin-1")
        body = await self._inquiries.answer(caller.account.id, exchange.path, query)
        await exchange.answer(200, [*JSON, (b"cache-control", b"no-store")], body)

    async def _model(self, exchange: Exchange) -> None:
        name = exchange.path.removeprefix("/v1/models/")
        await self._say(exchange, models.one(self._gate, exchange, name))

    async def _livez(self, exchange: Exchange) -> None:
        await self._say(exchange, {"status": "ok"})

    async def _readyz(self, exchange: Exchange) -> None:
        if exchange.at > self._gate.freshness.fresh_until:
            raise Unready("The rules are older than GAPURA_SNAPSHOT_MAX_AGE: the keeper is away.", retry_after=1)
        if not self._gate.journal.room:
            raise Unready("The journal has no room: the disk is full.", retry_after=5)
        told = {"status": "ok", "rules": self._gate.rules.book.version, "atlas": self._gate.places.atlas.version}
        if problem := self._atlas_problem():  # the former data still serve: it is told, and no reason to take no more
            told["atlas_problem"] = problem
        await self._say(exchange, told)

    async def _show_metrics(self, exchange: Exchange) -> None:
        text = exposition.render(self._metrics.samples())
        await exchange.answer(200, [(b"content-type", exposition.CONTENT_TYPE.encode())], text.encode())

    def _unlisted(self, path: str, method: str) -> Endpoint:
        if path.startswith("/v1/models/"):
            return Endpoint("GET", self._model)
        if (part := kept.part(path)) is not None:
            taken = method if method in kept.METHODS[part] else kept.METHODS[part][0]
            return Endpoint(taken, partial(kept.answer, self._gate, method=taken))
        return Endpoint(method, self._nothing)

    async def _nothing(self, exchange: Exchange) -> None:
        raise NotFound(f"There is nothing at {exchange.path}; this gateway serves {', '.join(self._paths)}.")

    async def _say(self, exchange: Exchange, document: object) -> None:
        await exchange.answer(200, JSON, _ENCODER.encode(document))
