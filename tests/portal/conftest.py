"""Accounts' pages on a real socket, over a real store; the clock stands still, and a browser keeps its cookies."""

import asyncio
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gapura.app import loops
from gapura.clock import SECOND, TurnableClock, instant
from gapura.portal import Door, Hearing, Portal
from gapura.rulebook.compile import Rules
from gapura.rulebook.read import read
from gapura.settings import Settings
from gapura.store import accounts, keys, links, notices, secrets
from gapura.store.accounts import from_dicts
from gapura.store.base import Connection
from gapura.store.keys import Wanted
from gapura.store.sqlite import Store
from gapura.store.visits import DAY
from gapura.terms.caller import Account, Notice
from gapura.terms.letter import Way
from gapura.terms.rulebook import Endpoint

NOW = instant("2026-11-22T12:00:00+00:00")
BLOCK_FROM = instant("2027-01-15T00:00:00+08:00")
OPENAI = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
QWEN = (Way(provider="qwen", name="Qwen", base_url="https://dashscope.aliyuncs.com/compatible-mode/v1"),)
POLICY = {
    "pack": "openai/api",
    "phases": [
        {"effect": "warn", "from": "2026-11-01T00:00:00Z"},
        {"effect": "block", "from": "2027-01-15T00:00:00", "zone": "Asia/Shanghai"},
    ],
    "appeals": {"interim": True, "days": 10},
}


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def seal(self) -> str:
        found = re.search(r'name="form" value="([^"]*)"', self.text)
        assert found, self.text
        return found[1]


@dataclass
class Browser:
    """Keeps cookies, and follows nothing by itself."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            named["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            reply = Reply(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
            )
        finally:
            connection.close()
        for name, morsel in SimpleCookie(reply.headers.get("set-cookie", "")).items():
            self.cookies[name] = morsel.value
        return reply

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, None, **headers)

    def send(self, path: str, fields: dict[str, str], **headers: str) -> Reply:
        kind = headers.pop("content_type", "application/x-www-form-urlencoded")
        return self.ask("POST", path, urlencode(fields).encode(), content_type=kind, **headers)


@dataclass
class Scene:
    """`acme` came from China and was told of a date, `globex` came from Singapore alone."""

    store: Store
    clock: TurnableClock
    port: int
    rules: Rules
    published: list[Account] = field(default_factory=list)
    acme: str = ""
    globex: str = ""
    key: str = ""

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def link(self, account: str, scope: links.Scope = "object", days: int = 30) -> str:
        return links.sign(self.store.secret, links.Pass(account, scope, self.clock() + days * DAY, self.clock()))

    def browser(self, account: str = "", scope: links.Scope = "object") -> Browser:
        made = Browser(self.port)
        if account:
            assert made.get(f"/enter/{self.link(account, scope)}").status == 303
        return made

    def fill(self) -> None:
        stated = [
            {"external_id": "acme", "organisation": "o", "language": "zh-CN", "zone": "Asia/Shanghai"},
            {"external_id": "globex", "organisation": "p"},
        ]
        at = self.clock()

        def work(db: Connection) -> None:
            self.acme, self.globex = (one.id for one in accounts.upsert(db, None, from_dicts(stated), at).created)
            token = secrets.draw(keys.PREFIX)
            key = keys.create(db, None, Wanted(account_id=self.acme, name="build"), token, self.store.secret, at)
            self.key = token
            day = at // DAY
            for back, territory, requests in ((9, "CN", 1200), (2, "CN", 340), (2, "HK", 3), (0, "SG", 9)):
                db.execute("INSERT INTO visit VALUES (?, ?, ?, ?)", (self.acme, day - back, territory, requests))
            db.execute("INSERT INTO visit VALUES (?, ?, 'SG', 9)", (self.globex, day))
            db.execute("INSERT INTO visit_key VALUES (?, ?, 'CN', 1540, ?, ?)", (self.acme, key.id, day - 9, day - 2))
            told = Notice("ntc_1", "cmp_1", "openai/api", "T-60", "block", BLOCK_FROM, at - 3 * DAY)
            notices.post(db, {self.acme: told})

        self.store.write(work).result()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = TurnableClock(NOW)
    store = Store.open(tmp_path / "gapura.db", clock=clock)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    rules = Rules(read({"policies": [POLICY]}, endpoints=[OPENAI], models={"openai": ["gpt-4o"]}))
    made = Scene(store, clock, port, rules)
    made.fill()
    settings = Settings.load({"GAPURA_PUBLIC_URL": made.site, "GAPURA_HOME": str(tmp_path)}, {})
    hearing = Hearing(
        store,
        lambda: made.rules,
        lambda _, changed: made.published.extend(changed.values()),
        lambda: None,
        lambda places: QWEN if "CN" in places else (),
    )
    app = Portal(hearing, Door(settings, store.secret))
    server = loops.server(app, settings, settings.portal_hosts)
    thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
    thread.start()
    try:
        yield made
    finally:
        server.should_exit = True
        thread.join()
        store.close()
        listener.close()


def turn(scene: Scene, at: int) -> None:
    scene.clock.turn(seconds=(at - scene.clock()) / SECOND)
