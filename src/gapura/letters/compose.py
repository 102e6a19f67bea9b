"""A letter → the message that is sent: the same letter makes the same bytes, wherever and however often."""

import hashlib
import re

from gapura import checks
from gapura.letters import address, calendar, clean, message, plain
from gapura.letters.dkim import signed
from gapura.letters.message import Body
from gapura.letters.sender import Sender
from gapura.letters.texts import Texts
from gapura.letters.voice import Voice, is_zone
from gapura.letters.write import write
from gapura.terms.letter import Composed, Letter, message_id, token

_IDENTITY = re.compile(r"<[A-Za-z0-9._=+-]{1,64}@[A-Za-z0-9.-]+>")


class BadLetter(ValueError):
    """Names the field of the letter that cannot be sent."""


def compose(letter: Letter, sender: Sender, texts: Texts) -> Composed:
    """Raises BadLetter, and BadAddress where `letter.to` is none that mail can be sent to.

    An account without a language is written to in all of the sender's, one without a zone (or with one that is none) in
    the sender's, which the letter names.  A letter without `message_id` gets its own.
    """
    to = address.plain(letter.to, wide=True)
    identity = letter.message_id or message_id(sender.domain, letter.campaign, letter.account, letter.stage)
    _check(letter, identity)
    zone = letter.zone if is_zone(letter.zone) else sender.zone
    pages = [write(letter, voice, zone, replies=bool(sender.reply_to)) for voice in _voices(letter, sender, texts)]
    text, html = plain.render(pages), texts.html(pages)
    first = pages[0]
    dated = letter.kind == "notice" or letter.kind in ("correction", "release") or letter.granted
    event = calendar.event(letter, first.subject, "\n\n".join(first.summary), sender.domain) if dated else None
    body = Body(first.subject, tuple(page.language for page in pages), text, html, event)
    raw = message.build(sender, (clean.name(letter.name), to), identity, letter.written_at, body)
    whole = signed(raw, sender.signers, letter.written_at)
    return Composed(
        message=whole,
        sha256=hashlib.sha256(whole).hexdigest(),
        message_id=identity,
        sender=sender.returns_to(token(identity)),
        subject=first.subject,
        html=html,
        text=text,
    )


def _voices(letter: Letter, sender: Sender, texts: Texts) -> list[Voice]:
    """The account's language; where it has none, or one that there are no texts in, those of the sender."""
    asked = texts.voice(letter.language) if letter.language else None
    found = [asked] if asked else [texts.voice(language) for language in sender.languages]
    return [voice for voice in dict.fromkeys(found) if voice] or [texts.measure]


def _check(letter: Letter, identity: str) -> None:
    if not _IDENTITY.fullmatch(identity):
        raise BadLetter(f"message_id: {identity!r} is none, as <token@example.com>")
    for field in ("appeal_url", "status_url"):
        _url(field, getattr(letter, field))
    for number, way in enumerate(letter.ways):
        _url(f"ways[{number}].base_url", way.base_url)


def _url(field: str, url: str) -> None:
    try:
        checks.page(url)
    except ValueError as error:
        raise BadLetter(f"{field}: {error}") from None
