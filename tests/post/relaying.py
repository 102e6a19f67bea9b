"""Real mail servers on loopback: aiosmtpd, as it is and misbehaving as a test wants it."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, AnyStr

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gapura.post import Relay
from gapura.post.relay import Table
from gapura.settings import Secret

Script = Callable[[SMTP, Session, Envelope], str | None]
"""An answer in place of the usual one; None: the usual one."""

USER, PASSWORD = "gapura", "correct horse battery staple"


class Mailbox:
    """A server's handler: keeps what it answered for, and answers as it is told; `script` is by MAIL, RCPT, DATA."""

    def __init__(self) -> None:
        self.script: dict[str, Script] = {}
        self.accepted: list[Envelope] = []
        self.recipients: list[str] = []
        self.connections = 0

    def messages(self) -> list[EmailMessage]:
        found = [email.message_from_bytes(_raw(one), policy=email.policy.default) for one in self.accepted]
        return [one for one in found if isinstance(one, EmailMessage)]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from, envelope.mail_options = address, options
        return self._told("MAIL", server, session, envelope) or "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        self.recipients.append(address)
        answer = self._told("RCPT", server, session, envelope)
        if answer:
            envelope.rcpt_tos.pop()
        return answer or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        answer = self._told("DATA", server, session, envelope)
        if answer is None:
            self.accepted.append(envelope)
        return answer or f"250 2.0.0 OK queued as {len(self.accepted)}"

    def _told(self, step: str, server: SMTP, session: Session, envelope: Envelope) -> str | None:
        return self.script[step](server, session, envelope) if step in self.script else None


def once(mailbox: Mailbox, step: str, script: Script) -> None:
    """The next answer to this step, and no later one."""

    def answer(server: SMTP, session: Session, envelope: Envelope) -> str | None:
        del mailbox.script[step]
        return script(server, session, envelope)

    mailbox.script[step] = answer


def cut(server: SMTP, session: Session, envelope: Envelope) -> str | None:
    """The connection breaks where an answer would come."""
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()
    return "250 never seen"


def _raw(envelope: Envelope) -> bytes:
    assert isinstance(envelope.content, bytes)
    return envelope.content


def _login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


class Server(SMTP):
    """Counts its connections; `greeting` in place of the usual one."""

    mailbox: Mailbox
    greeting = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.mailbox.connections += 1
        super().connection_made(transport)

    async def push(self, status: AnyStr) -> None:
        if isinstance(status, str) and status.startswith("220 ") and self.greeting:
            await super().push(self.greeting)
        else:
            await super().push(status)


@asynccontextmanager
async def running(mailbox: Mailbox, *, greeting: str = "", tls: str = "none", **options: Any) -> AsyncIterator[int]:
    """Its port.  `tls`: none, starttls or implicit, with `authority` in `options` where there is any."""
    authority: trustme.CA | None = options.pop("authority", None)
    context = None
    if authority is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(options.pop("name", "localhost")).configure_cert(context)
    if options.get("auth_required"):
        options["authenticator"] = _login
    loop = asyncio.get_running_loop()

    def make() -> SMTP:
        starts: dict[str, Any] = {"tls_context": context, "require_starttls": True} if tls == "starttls" else {}
        server = Server(mailbox, hostname="relay.test", loop=loop, **starts, **options)
        server.mailbox, server.greeting = mailbox, greeting
        return server

    listening = await loop.create_server(make, "127.0.0.1", 0, ssl=context if tls == "implicit" else None)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


def relay(port: int, *, tls: str = "none", authority: trustme.CA | None = None, user: str = "", **table: Any) -> Relay:
    context = None
    if tls != "none":
        context = ssl.create_default_context()
        if authority is not None:
            authority.configure_trust(context)
    return Relay(
        host="localhost" if tls != "none" else "127.0.0.1",
        port=port,
        tls=tls,  # type: ignore[arg-type]  # one of the three
        user=user,
        password=Secret(PASSWORD if user else ""),
        context=context,
        table=Table(**{"messages_per_s": 0, **table}),
    )


@asynccontextmanager
async def scripted(*answers: bytes | None) -> AsyncIterator[int]:
    """A server that says these lines, the first one as its greeting, one for each line that it gets.  b"": it closes
    the connection; None: it says nothing more."""
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())  # type: ignore[arg-type]  # there is one
        for answer in answers:
            if not answer:
                break
            writer.write(answer + b"\r\n")
            if not await reader.readline():
                break
        else:
            answer = None
        if answer is None:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)
