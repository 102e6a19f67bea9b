"""A campaign as an operator runs it: a keeper and two gates under a turned clock, a real mail server, and many
accounts that are used from many places."""

import asyncio
import email
import email.policy
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from aiosmtpd.smtp import Envelope
from tests.app.turned import Gateway, Said, asgi, gateway, until
from tests.post.relaying import Mailbox, running

from gapura.clock import SECOND, instant
from gapura.console.api import PREFIX, admin
from gapura.store import accounts, keys, principals
from gapura.store.audit import Change
from gapura.store.base import Connection

PLACES = {"CN": "114.114.114.114", "CN2": "166.111.8.34", "HK": "147.8.2.26", "SG": "165.21.83.88"}
DOMAINS = ("a.example", "b.example", "c.example")
FAST = {"connections": 8, "messages_per_s": 0, "each_domain": {"messages_per_s": 0, "connections": 8}}
NOTHING: Mapping[str, str] = MappingProxyType({})


class Person(NamedTuple):
    """An account with a key."""

    account: str
    external_id: str
    key: str
    language: str = ""
    zone: str = ""
    contacts: Mapping[str, str] = NOTHING


class Taken(NamedTuple):
    """A letter as the server took it."""

    to: str
    raw: bytes

    @property
    def id(self) -> str:
        found = re.search(rb"^Message-ID:\s*(\S+)", self.raw, re.IGNORECASE | re.MULTILINE)
        assert found
        return found[1].decode()

    @property
    def message(self) -> EmailMessage:
        found = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def text(self) -> str:
        return text_of(self.message)


class Operator:
    """Who runs the campaign: over the keeper's own socket, or with the token of somebody else."""

    def __init__(self, it: Gateway, mailbox: Mailbox) -> None:
        self.it, self.mailbox = it, mailbox
        self._tcp = admin(it.keeper.context)

    async def people(self, wanted: list[dict[str, Any]]) -> list[Person]:
        """All at once, as an import; the gates know them afterwards."""
        store = self.it.keeper.store
        drawn = {one["external_id"]: keys.draw() for one in wanted}

        def work(db: Connection) -> list[Person]:
            at = store.clock()
            made = accounts.upsert(db, None, accounts.from_dicts(wanted), at).created
            for one in made:
                asked = keys.Wanted(account_id=one.id, name="production")
                keys.create(db, None, asked, drawn[one.external_id], store.secret, at)
            return [
                Person(one.id, one.external_id, drawn[one.external_id], one.language, one.zone, one.contacts)
                for one in made
            ]

        by = Change(actor="test", action="accounts.import", subject="accounts", reason="a test")
        found = await asyncio.wrap_future(store.change(by, work))
        keeper = self.it.keeper
        keeper.telling.write()
        keeper.hub.publish_directory(str(keeper.telling.path), keeper.telling.seq)
        digest = store.secret.digest(drawn[found[-1].external_id])
        await until(lambda: all(gate.gate.directory.find(digest) is not None for gate in self.it.gates))
        return found

    async def other(self, role: principals.Role = "approver") -> str:
        """The token of a second person."""
        made = await self.it.api("POST", "/principals", {"role": role, "name": "second pair of eyes"})
        return str(made["token"])

    async def api(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        if not token:
            return await self.it.api(method, path, body)
        said = await self.ask(method, path, body, token)
        assert said.status < 300, said.body
        return json.loads(said.body)

    async def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Said:
        app = self._tcp if token else self.it._admin
        headers = {"authorization": f"Bearer {token}", "host": "127.0.0.1"} if token else {}
        return await asgi(app, method, PREFIX + path, body, **headers)

    async def approved(self, name: str, document: str) -> dict[str, Any]:
        """A campaign from its text to its approval."""
        await self.api("POST", "/campaigns", document.encode())
        preview = await self.api("POST", f"/campaigns/{name}/preview", {"samples": 1})
        await self.api("POST", f"/campaigns/{name}/test", {"to": "ops@operator.example"})
        body = {"reason": "looked at", "confirm": f"{name} {preview['people']}"}
        await self.api("POST", f"/campaigns/{name}/approve", body, await self.other())
        return dict(preview)

    async def settled(self) -> None:
        """Everything that is due is done, and the gates know it."""
        store = self.it.keeper.store
        await asyncio.wrap_future(store.write(lambda _: None))  # behind what was asked for and not waited for
        await self.counted()
        await self.it.keeper.jobs.settled()
        await self.it.keeper.telling.settled()
        self.it.keeper.hub.tick()
        await asyncio.sleep(0.02)

    async def counted(self) -> None:
        """What gates served is in the record, and counted as visits."""
        while await self.it.keeper.ingest.step():
            pass
        while await self.it.keeper.residing.step():
            pass

    async def turn(self, stamp: str) -> None:
        await self.it.turn(stamp)
        await self.settled()

    async def days(self, until: str) -> None:
        """Day by day, as a keeper that runs all the time."""
        clock, end = self.it.clocks[0], instant(until)
        while clock() + 86_400 * SECOND < end:
            for one in self.it.clocks:
                one.turn(days=1)
            await self.settled()
        await self.turn(until)

    def letters(self, to: str = "") -> list[EmailMessage]:
        """Those of `taken`, read."""
        return [one.message for one in self.taken(to)]

    def taken(self, to: str = "") -> list[Taken]:
        """What the server has taken for addresses with this in them, by its own log, but for tests."""
        found = (Taken(envelope.rcpt_tos[0], _bytes(envelope)) for envelope in self.mailbox.accepted)
        return [one for one in found if to in one.to and one.to != "ops@operator.example"]


@asynccontextmanager
async def operating(home: Path, start: str, mailbox: Mailbox, **more: str) -> AsyncIterator[Operator]:
    mail = {"from": "Notices <notices@operator.example>", "relay": FAST}
    async with running(mailbox) as port:
        url = f"smtp://127.0.0.1:{port}?tls=none"
        async with gateway(home, start, {"mail": mail}, GAPURA_SMTP_URL=url, **more) as it:
            yield Operator(it, mailbox)


def _bytes(envelope: Envelope) -> bytes:
    assert isinstance(envelope.content, bytes)
    return envelope.content


def text_of(message: EmailMessage) -> str:
    """The part that is read without HTML."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())
