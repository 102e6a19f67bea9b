"""One connection to the relay: it is opened, and messages are handed over on it one after another.

The commands are sent one by one and not by `send_message`, because what matters is the instant between the relay's
"go ahead" and the content: there the journal is written.
"""

import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import aiosmtplib
from aiosmtplib.response import SMTPResponse

from gapura.post.outcomes import CLOSING, Answer, Step, Stopped
from gapura.post.relay import Relay

GO_AHEAD, DONE = 354, 250
GOODBYE_S = 5.0
MOST_OF_AN_ANSWER = 500

_DOTS = re.compile(rb"^\.", re.MULTILINE)
_NOT_PLAIN = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]+")
Begin = Callable[[], Awaitable[None]]
Failure = (aiosmtplib.SMTPException, OSError, TimeoutError)


class Envelope(NamedTuple):
    sender: str
    to: str
    message: bytes


class Broken(Exception):
    """There is no connection (any more), or what came on it is no answer."""

    def __init__(self, step: Step, why: str, code: int = 0) -> None:
        super().__init__(why)
        self.answer = Answer(step, code, plain(why))


class Connection:
    """Not to be used by two at once.  `sent`: messages that were handed over on it; `clean`: ready for the next one."""

    def __init__(self, client: aiosmtplib.SMTP, relay: Relay) -> None:
        self._client, self._relay = client, relay
        self.sent = 0
        self.clean = True
        self.idle_since = 0

    @classmethod
    async def open(cls, relay: Relay) -> "Connection":
        """Raises Broken, and Stopped where it is refused to us for good."""
        table = relay.table
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            timeout=table.connect_s,
            use_tls=relay.tls == "implicit",
            start_tls=False,
            tls_context=relay.context,
            local_hostname=table.hello or socket.gethostname(),
        )
        connection = cls(client, relay)
        await connection._first("connect", client.connect)
        try:
            await connection._first("hello", client.ehlo)
            if relay.tls == "starttls":
                await connection._first("tls", connection._start_tls)
            if relay.user:
                await connection._login()
        except BaseException:
            client.close()
            raise
        return connection

    async def hand_over(self, envelope: Envelope, begin: Begin) -> Answer:
        """The answer that decided.  `begin` is awaited when the relay is ready for the content and none has gone out;
        if it raises, none goes.  Raises Broken before that instant; behind it, an answer that did not come has code 0.
        """
        wide = not envelope.to.isascii()
        if wide and not self._client.supports_extension("smtputf8"):
            return Answer("address", 0, "the relay takes no address with letters beyond ASCII: it offers no SMTPUTF8")
        if not self.clean:
            await self._reset()
        self.clean = False
        size = f" SIZE={len(envelope.message)}" if self._client.supports_extension("size") else ""
        utf8 = " BODY=8BITMIME SMTPUTF8" if wide else ""  # whoever offers the one has to offer the other
        for step, command in (
            ("sender", f"MAIL FROM:<{envelope.sender}>{size}{utf8}"),
            ("recipient", f"RCPT TO:<{envelope.to}>"),
            ("data", "DATA"),
        ):
            answer = await self._command(step, command)  # type: ignore[arg-type]  # the literals of this table
            if answer.code not in ((GO_AHEAD,) if step == "data" else (250, 251)):
                return answer
        try:
            await begin()
        except BaseException:
            self.close()
            raise
        return await self._content(envelope.message)

    async def quit(self) -> None:
        """Takes leave; in the middle of a message without a word."""
        if not self.clean:
            self.close()
            return
        try:
            await self._client.quit(timeout=GOODBYE_S)
        except Failure:
            self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def alive(self) -> bool:
        return self._client.is_connected

    async def _reset(self) -> None:
        """Forgets the message before, which was not taken; only now, so that nobody waited for it."""
        answer = await self._command("sender", "RSET")
        if answer.code != DONE:
            self.close()
            raise Broken("sender", answer.text, answer.code)

    async def _command(self, step: Step, command: str) -> Answer:
        protocol = self._client.protocol
        if protocol is None:
            raise Broken(step, "the relay has closed the connection")
        try:
            response = await protocol.execute_command(command.encode(), timeout=self._relay.table.answer_s)
        except Failure as error:
            self.close()
            raise Broken(step, _why(error)) from None
        return self._answer(step, response)

    async def _content(self, message: bytes) -> Answer:
        protocol = self._client.protocol
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("the relay has closed the connection")
            protocol.write(_DOTS.sub(b"..", message) + b".\r\n")
            response = await protocol.read_response(timeout=self._relay.table.content_s)
        except Failure as error:
            self.close()
            return Answer("content", 0, plain(_why(error)))
        self.sent += 1
        self.clean = True
        return self._answer("content", response)

    def _answer(self, step: Step, response: SMTPResponse) -> Answer:
        if response.code == CLOSING:
            self.close()
        return Answer(step, response.code, plain(response.message))

    async def _first(self, step: Step, does: Callable[[], Awaitable[object]]) -> None:
        try:
            await does()
        except Failure as error:
            self._client.close()
            raise self._failed(step, error) from None

    async def _start_tls(self) -> None:
        if not self._client.supports_extension("starttls"):
            raise Stopped(f"{self._relay.host} does not offer STARTTLS, and nothing is sent in the clear")
        await self._client.starttls()

    async def _login(self) -> None:
        try:
            await self._client.login(self._relay.user, self._relay.password)
        except aiosmtplib.SMTPResponseException as error:
            raise self._failed("login", error) from None
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError) as error:
            raise Broken("login", _why(error)) from None
        except aiosmtplib.SMTPException as error:
            raise Stopped(f"{self._relay.host} does not let us log in: {plain(_why(error))}") from None

    def _failed(self, step: Step, error: BaseException) -> Exception:
        """Who is refused with 5xx, or by a certificate, will be so the next time."""
        where = f"{self._relay.host}:{self._relay.port}"
        reason: BaseException | None = error
        while reason is not None:
            if isinstance(reason, ssl.SSLCertVerificationError):
                return Stopped(f"the certificate of {where} does not hold: {reason.verify_message}")
            reason = reason.__cause__ or reason.__context__
        if isinstance(error, aiosmtplib.SMTPResponseException) and error.code // 100 == 5:  # noqa: PLR2004 - RFC 5321
            told = f"{error.code} {plain(error.message)}"
            hint = "; look at user and password of GAPURA_SMTP_URL" if step == "login" else ""
            return Stopped(f"{where} refuses us ({step}): {told}{hint}")
        return Broken(step, _why(error), error.code if isinstance(error, aiosmtplib.SMTPResponseException) else 0)


def plain(text: str) -> str:
    """An answer as it is kept: one line, no controls, of bounded length."""
    return _NOT_PLAIN.sub(" ", text[: 4 * MOST_OF_AN_ANSWER]).strip()[:MOST_OF_AN_ANSWER]


def _why(error: BaseException) -> str:
    return str(getattr(error, "message", "") or error) or type(error).__name__
