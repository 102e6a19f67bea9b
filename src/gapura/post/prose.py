"""Bounces that were written for people: qmail's (whose form is fixed), and those of servers that know no reports."""

import re
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from email.policy import compat32

from gapura.post.fields import address, line, texts, value
from gapura.post.report import Said

_QMAIL = re.compile(r"^Hi\. This is the qmail-send program|^I'm afraid I wasn't able to deliver", re.MULTILINE)
_QMAIL_RECIPIENT = re.compile(r"^<([^<>\s]+@[^<>\s]+)>:[ \t]*\n((?:.+\n?)+)", re.MULTILINE)
_COPY = re.compile(
    r"^-+ (?:Below this line is a copy of the message\.|This is a copy of the message.*|Original message.*|"
    r"Unsent message follows.*|Returned message follows.*) ?-*\s*$",
    re.MULTILINE | re.IGNORECASE,
)
_DAEMON = re.compile(r"mailer-daemon|postmaster|mail delivery (?:sub)?system", re.IGNORECASE)
_FAILED = re.compile(
    r"undeliver|delivery (?:status notification|has failed|failed|failure)|returned mail|returned to sender|"
    r"failure notice|could not be delivered|mail system error|退信|无法投递|投递失败",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"delayed|still being retried|will (?:continue to be|be) (?:re)?tried|warning: could not", re.IGNORECASE
)
_TOLD = re.compile(r"[^\n]*\b[45]\d\d[ -]#?[45]\.\d{1,3}\.\d{1,3}\b[^\n]*|[^\n]*\b[45]\d\d[ -][^\n]{4,}")


def read(message: Message) -> list[Said]:
    """[] where it is no bounce."""
    text = "\n\n".join(texts(message)).replace("\r\n", "\n")
    notice, _ = _split(text)
    if _QMAIL.search(notice):
        return list(_qmail(notice))
    if not _is_bounce(message):
        return []
    recipient = value(message, "X-Failed-Recipients") or _named(notice)
    told = _TOLD.search(notice)
    delayed = bool(_DELAYED.search(value(message, "Subject")) or (_DELAYED.search(notice) and not told))
    return [Said("delayed" if delayed else "failed", recipient, "", line(told.group() if told else notice))]


def original(message: Message) -> Message | None:
    """The letter's copy behind the line that announces one."""
    for text in texts(message):
        _, copy = _split(text.replace("\r\n", "\n"))
        if copy:
            return message_from_string(copy.lstrip("\n"), policy=compat32)
    return None


def _split(text: str) -> tuple[str, str]:
    mark = _COPY.search(text)
    return (text[: mark.start()], text[mark.end() :]) if mark else (text, "")


def _qmail(notice: str) -> Iterator[Said]:
    for recipient, told in _QMAIL_RECIPIENT.findall(notice):
        yield Said("failed", recipient, "", line(told))


def _is_bounce(message: Message) -> bool:
    """From a server's own address, or without a sender, and about a failure."""
    from_daemon = _DAEMON.search(value(message, "From")) or value(message, "Return-Path") == "<>"
    failed = _FAILED.search(value(message, "Subject")) or "X-Failed-Recipients" in message
    return bool(from_daemon and failed)


def _named(notice: str) -> str:
    """The first address of the notice that is none of a server."""
    for word in re.findall(r"\S+@\S+", notice):
        found = address(word)
        if found and not _DAEMON.search(found):
            return found
    return ""
