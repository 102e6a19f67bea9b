"""A letter in a language: what happens, when, why, and the way on, for each kind of letter."""

import re
from collections.abc import Iterator

from gapura.letters import clean
from gapura.letters.page import Link, Page, Row, Section, Step
from gapura.letters.voice import Voice, days_between
from gapura.terms.letter import CODES, Evidence, Letter

_PAGE = re.compile(r"https?://[!#-;=?-~]+")
BEFORE, SINCE = "notice", "effective"


def write(letter: Letter, voice: Voice, zone: str, *, replies: bool) -> Page:
    """The letter as this language says it.  `zone` is the reader's, `replies`: whether somebody reads answers to it."""
    told = _Telling(letter, voice, zone)
    sections: list[Section | None]
    if letter.kind in (BEFORE, SINCE):
        sections = [told.why(), told.stops(), told.ways(replies=replies)]
    else:
        sections = [told.reason(), told.further(replies=replies)]
    return Page(
        voice.language,
        voice.direction,
        voice.say("row.colon"),
        told.subject(),
        told.greeting(),
        told.summary(),
        tuple(section for section in sections if section is not None),
        (
            voice.say("closing.transactional"),
            voice.say(
                "closing.reference",
                campaign=letter.campaign,
                stage=clean.name(letter.stage),
                account=told.values["account"],
            ),
        ),
    )


class _Telling:
    """What each sentence may need."""

    def __init__(self, letter: Letter, voice: Voice, zone: str) -> None:
        self.letter, self.voice, self.zone = letter, voice, zone
        provider, product = clean.name(letter.provider), clean.name(letter.product)
        self.evidence = letter.evidence or Evidence(first_at=0, last_at=0, days=0, requests=0)
        self.values = {
            "provider": provider,
            "service": f"{provider} {product}".strip(),
            "account": clean.name(letter.external_id),
            "places": voice.places(place.territory for place in self.evidence.places),
            "moment": voice.moment(letter.effective_at, zone),
            "date": voice.day(letter.effective_at, zone),
        }
        self.days = days_between(letter.written_at, letter.effective_at, zone)

    def subject(self) -> str:
        subject = self.voice.say(f"subject.{self.variant()}", **self.values)
        if self.letter.kind == BEFORE and self.days in (0, 1):
            return self.voice.say("subject.tomorrow" if self.days else "subject.today", subject=subject)
        return subject

    def variant(self) -> str:
        """Which text of a kind is meant: it depends on what happens, and of a decision on what was decided."""
        kind = self.letter.kind
        if kind == "decision":
            return "decision_granted" if self.letter.granted else "decision_declined"
        return f"{kind}_{self.letter.effect}" if kind in (BEFORE, SINCE) else kind

    def greeting(self) -> str:
        called = clean.name(self.letter.name)
        return self.voice.say("greeting.named", name=called) if called else self.voice.say("greeting.plain")

    def summary(self) -> tuple[str, ...]:
        what = self.voice.say(f"what.{self.variant()}", **self.values)
        return what, *filter(None, [self._when()])

    def _when(self) -> str:
        if self.letter.kind == "receipt":
            by = self.letter.answer_by
            return (
                self.voice.say("answer.by", date=self.voice.moment(by, self.zone))
                if by
                else self.voice.say("answer.open")
            )
        if self.letter.kind != BEFORE or self.days < 0:
            return ""
        if self.days > 1:
            return self.voice.count("left.days", self.days)
        return self.voice.say("left.tomorrow" if self.days else "left.today")

    def why(self) -> Section:
        say, letter = self.voice.say, self.letter
        policy = say("why.policy", policy=clean.name(letter.policy), **self.values)
        rows = self._seen() if letter.evidence else ()
        return Section(
            say("why.heading"),
            (policy, *clean.paragraphs(letter.reason), *([say("why.evidence")] if rows else [])),
            rows,
            tuple(self._sources()),
        )

    def _sources(self) -> Iterator[Step]:
        if self._shortened():
            yield Step(self.voice.say("why.shortened"))
        if _PAGE.fullmatch(self.letter.source):
            yield Step(self.voice.say("why.source"), Link(self.voice.say("why.source_link"), self.letter.source))

    def _seen(self) -> tuple[Row, ...]:
        say, found, zone = self.voice.say, self.evidence, self.zone
        first, last = self.voice.day(found.first_at, zone), self.voice.day(found.last_at, zone)
        rows = [
            Row(say("why.period"), first if first == last else say("time.span", first=first, last=last)),
            Row(say("why.total"), self._on_days(found.requests, found.days)),
        ]
        rows += [
            Row(self.voice.territory(place.territory), self._on_days(place.requests, place.days))
            for place in found.places
        ]
        for key in found.keys:
            called, prefix = clean.name(key.name), clean.name(key.prefix)
            label = say("why.key_named", prefix=prefix, name=called) if called else say("why.key", prefix=prefix)
            rows.append(Row(label, self.voice.count("count.requests", key.requests)))
        if found.networks:
            rows.append(Row(say("why.networks"), " ".join(map(clean.name, found.networks)), exact=True))
        return tuple(rows)

    def _on_days(self, requests: int, days: int) -> str:
        count = self.voice.count
        return self.voice.say(
            "count.on_days", requests=count("count.requests", requests), days=count("count.days", days)
        )

    def _shortened(self) -> bool:
        return any("/" in one and not one.endswith(("/32", "/128")) for one in self.evidence.networks)

    def stops(self) -> Section:
        say, effect = self.voice.say, self.letter.effect
        heading = say("stops.heading" if self.letter.kind == BEFORE else "stops.heading_now")
        return Section(heading, (say(f"stops.{effect}", code=CODES[effect], **self.values),))

    def ways(self, *, replies: bool) -> Section:
        say, letter = self.voice.say, self.letter
        rows: list[Row] = []
        for way in letter.ways:
            rows.append(Row(clean.name(way.name), way.base_url, exact=True))
            rows += [
                Row(say("do.counterpart", now=clean.name(now)), clean.name(there), exact=True)
                for now, there in way.counterparts
            ]
        first = [say("do.supported", **self.values)] if letter.effect != "suspend" else []
        if rows:
            first.append(say("do.move", **self.values))
        return Section(say("do.heading"), tuple(first), tuple(rows), tuple(self._answers(replies=replies)))

    def _answers(self, *, replies: bool) -> Iterator[Step]:
        say, letter = self.voice.say, self.letter
        if letter.appeal_url and letter.kind in (BEFORE, SINCE):
            yield Step(say("do.object"), Link(say("do.object_link"), letter.appeal_url))
        if letter.status_url:
            yield Step(say("do.correct"), Link(say("do.correct_link"), letter.status_url))
        if replies:
            yield Step(say("do.reply"))

    def reason(self) -> Section | None:
        found = clean.paragraphs(self.letter.reason)
        return Section(self.voice.say("why.reason"), found) if found else None

    def further(self, *, replies: bool) -> Section | None:
        steps = tuple(self._answers(replies=replies))
        return Section(self.voice.say("do.heading"), steps=steps) if steps else None
