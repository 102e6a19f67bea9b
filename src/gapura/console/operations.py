"""The route table's rows, and the one place where bytes become structs and back.

A handler is an async function of a `Call`; its signature is the contract: `query` and `body` name the structs (or
`bytes`, or an `Upload`) that it takes, every other parameter is a part of the path, and what it returns is encoded as
JSON unless it is a response already.
"""

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from gapura.console.context import Context
from gapura.console.problems import Invalid, invalid
from gapura.errors import BadRequest, TooLarge
from gapura.store.audit import Change
from gapura.store.base import Connection, Work
from gapura.store.ledger import Books
from gapura.store.principals import Action, Principal

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

# A policy document is some kilobytes, a directory of a hundred thousand accounts some ten megabytes.
JSON_LIMIT = 1 << 20
BYTES_LIMIT = 64 << 20
# Place data of all the world's cities.
UPLOAD_LIMIT = 1 << 30
KEY_LIMIT = 200


class Intent(NamedTuple):
    """What a change is called in the audit, what it is done to, and why.  `rehearsal`: nothing stays."""

    action: str
    subject: str
    reason: str = ""
    rehearsal: bool = False


class Upload(NamedTuple):
    """A body that is kept in a file while its handler runs: what is too large for memory.  `sha256` in hexadecimal."""

    path: Path
    size: int
    sha256: str


class Rehearsed(Exception):
    """Takes the work's transaction back, and its result out."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


def ignore(_: object) -> None:
    """Nobody has to be told."""


class Call(NamedTuple):
    """One request, as its handler sees it.  `detail` is what the audit keeps of the body."""

    context: Context
    who: Principal
    idempotency_key: str = ""
    detail: str = ""

    async def read(self, work: Work[T]) -> T:
        return await asyncio.to_thread(self.context.store.read, work)

    async def read_both(self, work: Callable[[Connection, Books], T]) -> T:
        """Reads the store, and the ledger wherever it is: the same, or a server that gateways share."""
        shared, store = self.context.ledger, self.context.store
        if shared is None:
            return await self.read(lambda db: work(db, db))
        return await asyncio.to_thread(shared.read, lambda books: store.read(lambda db: work(db, books)))

    async def change(self, by: Intent, work: Work[T], kind: type[T], then: Callable[[T], None] = ignore) -> T:
        """The one write path.  `kind` is what the result is read as when the same request comes again; `then` tells
        the gates, and is not called for a repetition: by now the thing may have changed further.

        Nothing is awaited between the commit and `then`, so the gates hear of changes in the order of the commits.
        """
        ran = False

        def run(connection: Connection) -> T:
            nonlocal ran
            ran = True
            return work(connection)

        if by.rehearsal:
            return await self._rehearse(work)
        change = Change(
            actor=self.who.id,
            action=by.action,
            subject=by.subject,
            reason=by.reason,
            detail=self.detail,
            idempotency_key=self.idempotency_key,
        )
        result = await asyncio.wrap_future(self.context.store.change(change, run, kind))
        if ran:
            then(result)
        return result

    async def _rehearse(self, work: Work[T]) -> T:
        """What would happen, told by what makes it happen: the work is done, and taken back."""

        def run(connection: Connection) -> NoReturn:
            raise Rehearsed(work(connection))

        try:
            await asyncio.wrap_future(self.context.store.write(run))
        except Rehearsed as done:
            return cast(T, done.result)


Handler = Callable[..., Awaitable[Any]]


Limit = Annotated[int, Meta(ge=1, le=1000)]


class Page(msgspec.Struct, forbid_unknown_fields=True):
    """A page: what comes behind `after` (the `next` of the page before)."""

    after: str = ""
    limit: Limit = 100


@dataclass(frozen=True)
class Operation:
    """`needs` are the actions that a principal must be allowed, all of them; none: whoever is known may.
    `media` is what the answer is, where it is not JSON, and `takes` what a body of bytes is."""

    method: str
    path: str
    needs: tuple[Action, ...]
    handler: Handler
    status: int = 200
    media: str = "application/json"
    takes: str = "text/csv"
    types: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        hints = get_type_hints(self.handler)
        object.__setattr__(self, "types", {name: kind for name, kind in hints.items() if name != "call"})

    @property
    def name(self) -> str:
        """`accounts.import`: the noun's module and the function."""
        return f"{self.handler.__module__.rpartition('.')[2]}.{self.handler.__name__.rstrip('_')}"

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.handler) or "").partition("\n\n")[0].replace("\n", " ")

    async def run(self, request: Request, context: Context, who: Principal) -> Response:
        for action in self.needs:
            who.require(action)
        wanted: dict[str, Any] = dict(request.path_params)
        detail = ""
        if "query" in self.types:
            wanted["query"] = _query(request, self.types["query"])
        if "body" in self.types and self.types["body"] is not Upload:
            raw = await _body(request, BYTES_LIMIT if self.types["body"] is bytes else JSON_LIMIT)
            wanted["body"] = raw if self.types["body"] is bytes else decode(raw, self.types["body"])
            detail = f"{len(raw)} bytes" if self.types["body"] is bytes else raw.decode()
        key = request.headers.get("idempotency-key", "")
        if len(key) > KEY_LIMIT:
            raise Invalid(f"idempotency-key has more than {KEY_LIMIT} characters", param="idempotency-key")
        with ExitStack() as kept:
            if self.types.get("body") is Upload:
                wanted["body"] = upload = await _uploaded(request, context.settings.home, kept)
                detail = f"{upload.size} bytes, sha256 {upload.sha256}"
            answer = await self.handler(Call(context, who, key, detail), **wanted)
        if isinstance(answer, Response):
            return answer
        return Response(msgspec.json.encode(answer, order="deterministic"), self.status, media_type="application/json")


def decode(raw: bytes, kind: type[S]) -> S:
    """A JSON body as a struct.  Raises BadRequest where it is no JSON, Invalid naming the field."""
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise invalid(error, kind) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not JSON: {error}", code="invalid_json") from error


def _query(request: Request, kind: type[S]) -> S:
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, kind) from error


async def _uploaded(request: Request, folder: Path, kept: ExitStack) -> Upload:
    file = kept.enter_context(NamedTemporaryFile(prefix=".upload-", dir=folder))  # noqa: SIM115 - `kept` closes it
    digest, size = hashlib.sha256(), 0
    async for part in request.stream():
        size += len(part)
        if size > UPLOAD_LIMIT:
            raise TooLarge(f"the body is larger than {UPLOAD_LIMIT} bytes")
        digest.update(part)
        file.write(part)
    file.flush()
    return Upload(Path(file.name), size, digest.hexdigest())


async def _body(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        parts.append(part)
    return b"".join(parts)
