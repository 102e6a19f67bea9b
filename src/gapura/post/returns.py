"""What comes back to the address that bounces go to, read as what it means for one of our letters.

    report        multipart/report: a delivery status (RFC 3464) or a complaint (RFC 5965)
    prose         bounces without one: qmail's, and old or foreign servers'
    automatic     out of office, and receipts of reading: they mean nothing here

Anybody may write to that address.  What counts is what names a letter: by the token in the address that it came to, or
by the Message-ID that it quotes.  A token cannot be guessed; what has none is kept as `unknown` and moves nothing.
"""

import re
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.policy import compat32

from gapura.post import prose, report
from gapura.post.fields import MOST, address, value
from gapura.terms.letter import Returned, Returning

TOKEN = re.compile(r"(?<![0-9a-f])[0-9a-f]{20}(?![0-9a-f])")
_IDENTITY = re.compile(r"<[^<>\s@]{1,64}@[^<>\s@]{1,255}>")

# Of what is permanent by its class: the address may be sound, and the letter, the mailbox or a policy was not.
_NOT_THE_ADDRESS = ("5.0.", "5.2.2", "5.2.3", "5.3.", "5.4.5", "5.4.6", "5.4.7", "5.5.", "5.6.", "5.7.")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_CODE = re.compile(r"(?<![\d.])[245][0-5]\d(?![\d.])")
_NO_SUCH_ADDRESS, _GENERIC = frozenset({"550", "551", "553"}), ".0.0"


def read(raw: bytes) -> tuple[Returned, ...]:
    """What a message says, one value for each recipient that it tells of.  Never raises; of what is no message, or of
    no letter, it says `unknown`."""
    try:
        message = message_from_bytes(raw[:MOST], policy=compat32)
        return _read(message)
    except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        # The standard library's parser is asked for what nobody meant as mail; whatever it stumbles over is none.
        return (Returned(kind="unknown"),)


def _read(message: Message) -> tuple[Returned, ...]:
    quoted = report.original(message) or prose.original(message)
    token = _token(message, quoted)
    identity = _identity(message, quoted)
    found = []
    for said in report.read(message) or prose.read(message):
        status = _status(said.status, said.answer)
        found.append(
            Returned(
                kind=_kind(said.action, status),
                token=token or _in(said.mail_from),
                message_id=identity,
                recipient=address(said.recipient),
                status=status,
                answer=said.answer,
            )
        )
    return tuple(found) or (Returned(kind=_other(message), token=token, message_id=identity),)


def _kind(action: str, status: str) -> Returning:
    match action:
        case "complaint":
            return "complaint"
        case "delayed":
            return "delayed"
        case "delivered" | "relayed" | "expanded":
            return "delivered"
        case "failed" if status.startswith("5") and not status.startswith(_NOT_THE_ADDRESS):
            return "hard"
        case "failed":
            return "soft"
    return "unknown"


def _status(given: str, answer: str) -> str:
    """The most exact one of what the report and the other server say: many reports say 5.0.0, and the answer more."""
    told = [one.group() for text in (answer, given) for one in _STATUS.finditer(text)]
    exact = [one for one in told if not one.endswith(_GENERIC)]
    if exact:
        return exact[0]
    code = _CODE.search(answer)
    if code and code.group() in _NO_SUCH_ADDRESS:
        return "5.1.1"
    return told[0] if told else f"{code.group()[0]}{_GENERIC}" if code else ""


def _token(message: Message, quoted: Message | None) -> str:
    """From the address that it was sent to, by whatever header tells it; else from the letter that it quotes."""
    for name in ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To"):
        for one in message.get_all(name, []):
            if found := _in(str(one)):
                return found
    if quoted is not None:
        for name in ("Message-ID", "Return-Path"):
            if found := _in(value(quoted, name)):
                return found
    return ""


def _in(text: str) -> str:
    found = TOKEN.search(text.partition("@")[0].lower())
    return found.group() if found else ""


def _identity(message: Message, quoted: Message | None) -> str:
    named = [value(quoted, "Message-ID")] if quoted is not None else []
    named += [value(message, name) for name in ("In-Reply-To", "References")]
    for text in named:
        if found := _IDENTITY.search(text):
            return found.group()
    return ""


def _other(message: Message) -> Returning:
    """No bounce: an answer that a machine gave, or something else."""
    if value(message, "Auto-Submitted").lower().startswith(("auto-replied", "auto-generated", "auto-notified")):
        return "automatic"
    if any(name in message for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress")):
        return "automatic"
    if value(message, "Precedence").lower() in {"auto_reply", "bulk", "junk"}:
        return "automatic"
    if report.is_receipt_of_reading(message) or _AWAY.match(value(message, "Subject")):
        return "automatic"
    return "unknown"


_AWAY = re.compile(r"\s*(out of office|automatic reply|auto:|自动回复|自動回覆|balasan otomatis)", re.IGNORECASE)
