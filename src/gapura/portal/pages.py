"""The same as HTML, in a language of the reader's: texts by catalogue, pages by template."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from gapura.clock import instant
from gapura.letters import catalogue
from gapura.letters.catalogue import Catalogue
from gapura.letters.texts import MEASURE, SHIPPED, Texts
from gapura.letters.voice import Voice
from gapura.portal.cases import Case, Objection, Overview
from gapura.store.appeals import OPEN

DATA = files(__package__) / "data"
STYLE = (DATA / "style.css").read_bytes()
NAMES = {"en": "English", "zh-Hans": "简体中文", "id": "Bahasa Indonesia"}
MOST_TAGS = 10


class Pages:
    """All that can be shown, read and tried when it is made."""

    def __init__(self) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FunctionLoader(lambda name: (DATA / name).read_text("utf-8")),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._page = self._templates.get_template("page.html")
        self._texts = Texts(_catalogues(), self._page)

    def voice(self, *asked: str) -> Voice:
        """The first of these languages (tags, or an `Accept-Language`) that there are texts in."""
        for wanted in asked:
            for tag in _tags(wanted):
                if found := self._texts.voice(tag):
                    return found
        return self._texts.measure

    def render(self, voice: Voice, view: str, title: str, here: str, **values: Any) -> str:
        """`here`: the page's own address, to be followed by the language.  `form`: the seal of its forms, "" for a
        reader who was not let in."""
        form = values.setdefault("form", "")
        hidden = Markup('<input type="hidden" name="form" value="{}">').format(form)
        return self._page.render(
            voice=voice,
            say=voice.say,
            languages=list(NAMES.items()),
            view=view,
            title=title,
            here=here,
            sealed=lambda: hidden,
            **values,
        )

    def account(self, voice: Voice, zone: str, found: Overview) -> dict[str, Any]:
        rows = [{"id": one.id, "state": one.state, "row": _row(voice, zone, one)} for one in found.objections]
        return {
            "standing": found.status,
            "cases": [self.case(voice, zone, one) for one in found.cases],
            "appeals": rows,
        }

    def case(self, voice: Voice, zone: str, case: Case) -> dict[str, Any]:
        seen = case.evidence
        days = voice.count("count.days", case.days)
        return {
            "policy": case.policy,
            "heading": voice.say("case.heading", service=case.service),
            "what": _what(voice, zone, case),
            "told": [
                (
                    voice.say("told.row", stage=one.stage, date=voice.day(one.at, zone)),
                    voice.say(f"told.{one.effect}", moment=voice.moment(one.effective_at, zone)),
                )
                for one in case.told
            ],
            "seen": _seen(voice, case) if seen else [],
            "move": voice.say("case.move", places=_places(voice, case)) if case.ways else "",
            "ways": [(way.name, way.base_url) for way in case.ways],
            "rule": voice.say("case.policy", policy=case.policy),
            "source": case.source,
            "listed": voice.say("case.source", date=voice.day(instant(f"{case.as_of}T00:00:00Z"), "UTC")),
            "object": case.may_object,
            "lead": voice.say("object.lead", days=days),
            "interim": case.interim,
        }

    def objection(self, voice: Voice, zone: str, one: Objection) -> dict[str, Any]:
        what = []
        if one.late:
            what.append(voice.say("appeal.late"))
        elif one.state in OPEN:
            what.append(voice.say("appeal.by", moment=voice.moment(one.due_at, zone)))
        return {
            "id": one.id,
            "state": one.state,
            "open": one.state in OPEN,
            "what": what,
            "reason": one.reason,
            "decision": one.decision,
            "history": [(voice.moment(step.at, zone), voice.say(f"move.{step.move}")) for step in one.history],
        }


def _what(voice: Voice, zone: str, case: Case) -> list[str]:
    """What happens, in sentences: what is lifted comes before what would be."""
    places = _places(voice, case)
    told = []
    for kind, ends in case.lifted.items():
        if kind == "interim":
            told.append(voice.say("case.interim"))
        elif kind == "no_notice":
            told.append(voice.say("case.spared"))
        elif ends:
            told.append(voice.say("case.lifted_until", moment=voice.moment(ends, zone)))
        else:
            told.append(voice.say("case.lifted"))
    if case.ahead:
        told.append(voice.say(f"case.stops_{case.ahead}", moment=voice.moment(case.effective_at, zone), places=places))
    elif case.standing == "stopped" and case.since and not told:
        told.append(voice.say("case.stopped_since", moment=voice.moment(case.since, zone), places=places))
    elif not told:
        told.append(voice.say(f"case.{case.standing}", places=places))
    return told


def _places(voice: Voice, case: Case) -> str:
    return voice.places(place.territory for place in case.evidence.places) if case.evidence else voice.places(())


def _seen(voice: Voice, case: Case) -> list[tuple[str, str]]:
    found = case.evidence
    assert found is not None  # noqa: S101 - its caller has looked
    first, last = voice.day(found.first_at, "UTC"), voice.day(found.last_at, "UTC")
    rows = [
        (voice.say("evidence.period"), first if first == last else voice.say("time.span", first=first, last=last)),
        (voice.say("evidence.total"), _on_days(voice, found.requests, found.days)),
    ]
    rows += [(voice.territory(place.territory), _on_days(voice, place.requests, place.days)) for place in found.places]
    for key in found.keys:
        label = (
            voice.say("evidence.key_named", prefix=key.prefix, name=key.name)
            if key.name
            else voice.say("evidence.key", prefix=key.prefix)
        )
        rows.append((label, voice.count("count.requests", key.requests)))
    return rows


def _on_days(voice: Voice, requests: int, days: int) -> str:
    counted = {"requests": voice.count("count.requests", requests), "days": voice.count("count.days", days)}
    return voice.say("count.on_days", **counted)


def _row(voice: Voice, zone: str, one: Objection) -> str:
    return voice.say("appeal.row", service=one.service, date=voice.day(one.made_at, zone))


def _tags(asked: str) -> list[str]:
    """Of an `Accept-Language`, the best first.

    >>> _tags("en;q=0.5, zh-CN, *")
    ['zh-CN', 'en']
    """
    found: list[tuple[float, str]] = []
    for part in asked.split(",")[:MOST_TAGS]:
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag.strip() not in {"", "*"}:
            found.append((quality, tag.strip()))
    return [tag for _, tag in sorted(found, key=lambda one: -one[0])]


def _catalogues() -> dict[str, Catalogue]:
    def read(language: str, measure: Catalogue | None = None) -> Catalogue:
        return catalogue.read((DATA / f"{language}.toml").read_bytes(), f"portal/{language}", measure)

    found: Mapping[str, Catalogue] = {MEASURE: (measure := read(MEASURE))}
    return {**found, **{language: read(language, measure) for language in SHIPPED[1:]}}
