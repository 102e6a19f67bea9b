"""A keeper's admin API on real sockets, over a real store; the clock stands still."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gapura.atlas import sources
from gapura.clock import TurnableClock, instant
from gapura.console.api import PREFIX, admin
from gapura.console.context import Context, Status
from gapura.rulebook import papers
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.lints import Limits
from gapura.rulebook.read import read
from gapura.settings import Settings
from gapura.store import principals, rulebooks
from gapura.store.audit import Change
from gapura.store.principals import Role, Wanted
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key
from gapura.terms.rulebook import Endpoint, Rulebook

NOW = instant("2026-11-22T12:00:00+00:00")
ENDPOINTS = (
    Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US"),
    Endpoint(provider="qwen", base_url="https://dashscope.aliyuncs.com/compatible-mode/v1", processing_territory="CN"),
)
DOCUMENTS = {
    "routes": {"gpt-4o-mini": {"targets": ["openai/gpt-4o-mini", "qwen/qwen-plus"]}},
    "policies": [{"pack": "openai/api"}],
}


def book(documents: Mapping[str, Any]) -> Rulebook:
    models = {"openai": ["gpt-4o-mini", "gpt-4o"], "qwen": ["qwen-plus"]}
    return read(documents, endpoints=ENDPOINTS, models=models)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> dict[str, str]:
        said: dict[str, str] = self.json["error"]
        return said


@dataclass
class Admin:
    """The API of one home.  `published` is what the gates were told; `documents` is what its gapura.toml holds."""

    store: Store
    clock: TurnableClock
    socket: Path
    port: int = 0
    published: list[tuple[dict[str, Key], dict[str, Account]]] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=lambda: dict(DOCUMENTS))
    ready: bool = True
    rules: Rules = field(default_factory=lambda: Rules(book(DOCUMENTS)))
    shadow: Rules | None = None
    series: dict[str, float] = field(default_factory=lambda: {'gapura_requests_total{status="200"}': 3.0})

    def token(self, role: Role, organisation: str = "") -> str:
        token, wanted = principals.draw(), Wanted(role=role, name=role, organisation=organisation)
        by = Change(actor="test", action="principal.create", subject="principals", reason="")
        self.store.change(by, lambda db: principals.create(db, wanted, token, self.store.secret, NOW)).result()
        return token

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Over the Unix socket, as the owner."""
        connection = http.client.HTTPConnection("keeper", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.socket))
        return _exchange(connection, method, path, body, headers)

    def ask_tcp(self, token: str, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Over the admin port; a header `x_y` is sent as `x-y`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named |= {"authorization": f"Bearer {token}"} if token else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        return _exchange(connection, method, path, body, named)

    def renew(self, rules: Rules, limits: Limits, made_of: Mapping[str, Any]) -> None:
        assert made_of is self.documents
        self.rules = rules

    def renew_shadow(self) -> None:
        stored = self.store.read(lambda db: rulebooks.in_state(db, "shadow"))
        self.shadow = Rules(book(papers.read(*stored.content).within(self.documents))) if stored else None

    def context(self) -> Context:
        def reload() -> Rules:
            if "broken" in self.documents:
                raise BadDocument("routes", "cannot be meant")
            self.rules = Rules(book(self.documents))
            return self.rules

        atlas = sources.load()

        async def renew() -> sources.Atlas:
            return atlas

        return Context(
            store=self.store,
            settings=Settings.load({}, {"home": self.store.path.parent}),
            atlas=lambda: atlas,
            documents=lambda: self.documents,
            trial_atlas=lambda now, corrected: sources.load(now=now, corrected=corrected),
            renew_atlas=renew,
            rules=lambda: self.rules,
            shadow=lambda: self.shadow,
            renew=self.renew,
            renew_shadow=self.renew_shadow,
            publish=lambda keys, accounts: self.published.append((dict(keys), dict(accounts))),
            check=book,
            reload=reload,
            metrics=lambda: self.series,
            status=lambda: Status(
                version="0", serving=True, ready=self.ready, policy_version=self.rules.book.version, sandbox=False,
                atlas_as_of=atlas.as_of,
            ),
        )  # fmt: skip


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any, headers: dict[str, str]
) -> Reply:
    raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    target = path if path.startswith(("/livez", "/readyz", "/metrics")) else PREFIX + path
    try:
        connection.request(method, target, raw, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Admin]:
    clock = TurnableClock(NOW)
    with ExitStack() as stack:
        store = Store.open(tmp_path / "gapura.db", clock=clock)
        stack.callback(store.close)
        local, tcp = stack.enter_context(socket.socket(socket.AF_UNIX)), stack.enter_context(socket.socket())
        local.bind(str(tmp_path / "api"))
        tcp.bind(("127.0.0.1", 0))
        found = Admin(store, clock, tmp_path / "api", tcp.getsockname()[1])
        context = found.context()
        stack.enter_context(serving((admin(context, local=True), local), (admin(context), tcp)))
        yield found


@contextmanager
def serving(*apps: tuple[Any, socket.socket]) -> Iterator[None]:
    """Each on a socket that is bound, in a thread of their own."""
    servers = [uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None)) for app, _ in apps]

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            for server, (_, listener) in zip(servers, apps, strict=True):
                tasks.create_task(server.serve([listener]))

    for _, listener in apps:
        listener.listen()
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield
    finally:
        for server in servers:
            server.should_exit = True
        thread.join()
