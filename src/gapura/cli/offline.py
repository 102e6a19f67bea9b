"""The admin API in this process, for a home that nobody holds: the same application, called without a socket."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import IO, Any, NoReturn
from urllib.parse import unquote

import msgspec
from starlette.types import ASGIApp, Message

import gapura
from gapura.app import rules
from gapura.atlas import builds, sources
from gapura.cli.client import Send
from gapura.console import backup
from gapura.console.api import admin
from gapura.console.context import Context, Status
from gapura.keeper.placing import write_corrections
from gapura.providers.catalogue import catalogue
from gapura.rulebook import papers
from gapura.rulebook.compile import Rules
from gapura.rulebook.problems import problems
from gapura.settings import Settings
from gapura.store import rulebooks, secrets
from gapura.store.base import Conflict, Connection
from gapura.store.rulebooks import Document
from gapura.store.sqlite import Store
from gapura.terms.place import Located
from gapura.terms.rulebook import Rulebook

# An account list stays in memory; the export of a record goes to disk.
IN_MEMORY = 4 << 20


@contextmanager
def opened(settings: Settings) -> Iterator[Send]:
    """The caller holds the home.  Raises StoreFailed."""
    secret = secrets.load(settings.home, settings.secret)
    store = Store.open(settings.database_path, secret=secret)
    backup.sweep(settings.database_path.parent)
    builds.sweep(settings.home)
    try:
        with asyncio.Runner() as runner:
            app = admin(context(settings, store), local=True)

            def send(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
                return runner.run(_ask(app, method, target, headers, body))

            yield send
    finally:
        store.close()


def context(settings: Settings, store: Store) -> Context:
    """What the application needs, made when it is asked for: most commands want neither place data nor rules."""

    @cache
    def compiled() -> Rules:
        book, _ = rules.in_force(settings, store.read(simulators), lambda: store.read(active))
        return Rules(book, locate)

    @cache
    def shadow() -> Rules | None:
        if (stored := store.read(lambda db: rulebooks.in_state(db, "shadow"))) is None:
            return None
        return Rules(rules.with_policies(settings, store.read(simulators), papers.read(*stored.content)), locate)

    @cache
    def atlas() -> sources.Atlas:
        return sources.load(settings.home, settings.documents)

    def locate(address: str) -> Located:
        return atlas().locate(address)

    async def renew() -> sources.Atlas:
        write_corrections(store, settings.home)
        for made in (atlas, compiled, shadow):
            made.cache_clear()
        return atlas()

    def status() -> Status:
        book = compiled().book
        return Status(
            version=gapura.__version__,
            serving=False,
            ready=False,
            policy_version=book.version,
            sandbox=book.sandbox,
            atlas_as_of=atlas().as_of,
            problems=tuple(problems(book, store.clock(), locate)),
        )

    def reload() -> NoReturn:
        raise Conflict("no keeper runs on this home; the next start reads gapura.toml anyway")

    return Context(
        store=store,
        settings=settings,
        atlas=atlas,
        documents=lambda: settings.documents,
        trial_atlas=lambda now, corrected: sources.load(
            settings.home, settings.documents, now=now, corrected=corrected
        ),
        renew_atlas=renew,
        rules=compiled,
        shadow=shadow,
        renew=lambda _rules, _limits, _documents: compiled.cache_clear(),
        renew_shadow=shadow.cache_clear,
        publish=lambda _keys, _accounts: None,
        check=lambda documents: rulebook(settings, store, documents),
        reload=reload,
        metrics=dict,
        status=status,
    )


def rulebook(settings: Settings, store: Store, documents: Mapping[str, Any]) -> Rulebook:
    """Documents read as this deployment would.  Raises BadDocument."""
    stated = msgspec.structs.replace(settings, documents=dict(documents))
    return rules.rulebook(stated, store.read(simulators))


def active(db: Connection) -> Document | None:
    """The policy version in force.  Raises StoreFailed where it is damaged."""
    return rulebooks.in_state(db, "active")


def simulators(db: Connection) -> dict[str, str]:
    """Provider → base URL, for a home of the sandbox; else {}.  While no simulator runs it has no address, and the
    vendor's own stands for it: nothing is sent from here."""
    mode = db.execute("SELECT value FROM meta WHERE name = 'mode'").fetchone()
    return {name: vendor.base_url for name, vendor in catalogue().vendors.items()} if mode == ("sandbox",) else {}


class Reply:
    """An answer, whole; `read` as of a file."""

    def __init__(self) -> None:
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        self.body: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - read by whoever has the reply

    def read(self, amount: int = -1, /) -> bytes:
        piece = self.body.read(amount)
        if amount < 0 or not piece:
            self.body.close()
        return piece


async def _ask(app: ASGIApp, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    reply, given = Reply(), [body]

    async def receive() -> Message:
        if given:
            return {"type": "http.request", "body": given.pop(), "more_body": False}
        # Nobody hangs up on a function call: whoever listens for that waits until the answer is out.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
        else:
            reply.body.write(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except BaseException:
        reply.body.close()
        raise
    reply.body.seek(0)
    return reply
