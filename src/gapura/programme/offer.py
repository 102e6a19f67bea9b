"""An offer, as people write it: a TOML document → `Offer`.

Every error is a BadDocument that names the field and says what to write instead.  docs/reference/programmes.md has all
fields; `data/` has those of June 2024.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

import msgspec

from gapura.atlas import territories
from gapura.rulebook import documents
from gapura.rulebook.documents import BadDocument, below
from gapura.rulebook.formats import parse
from gapura.terms.programme import DEFAULTS, Effect, Eligibility, Matched, Offer, Part, Vetting, Way

NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
TABLES = ("programme", "eligibility", "vetting", "grants")
MOST = 2**62
PRIORITY = range(256)


class _Written(msgspec.Struct, kw_only=True):
    """The fields of [programme]."""

    id: str
    title: str
    vendor: str
    starts: Any
    ends: Any
    wallet: int
    unit: str = "tokens"
    source: str = ""
    as_of: str = ""
    evidence_days: int = 180


class _Match(msgspec.Struct, kw_only=True):
    """The fields of grants.matched."""

    multiplier: Any
    cap: int
    least: int = 0


def read(text: str) -> Offer:
    """Raises BadDocument."""
    raw = parse(text.encode(), "toml")
    for name in raw:
        if name not in TABLES:
            raise BadDocument(name, f"there is no such table{documents.nearest(name, TABLES)}")
    said = documents.table(raw.get("programme", {}), "programme", _Written)
    head = documents.term(said, "programme", _Written)
    path = "programme"
    if not NAME.fullmatch(head.id):
        raise BadDocument(below(path, "id"), "write small letters, digits and hyphens, as moving-2024")
    starts, ends = (documents.when(value, below(path, name)) for name, value in _window(head))
    if ends <= starts:
        raise BadDocument(below(path, "until"), "the offer would be over before it begins")
    _within(head.wallet, below(path, "wallet"), 1)
    _within(head.evidence_days, below(path, "evidence_days"), 0, 3650)
    offer = Offer(
        **msgspec.structs.asdict(head) | {"starts": starts, "ends": ends},
        eligibility=_eligibility(raw.get("eligibility", {})),
        vetting=_vetting(raw.get("vetting", {})),
        grants=tuple(_part(part, where) for where, part in documents.tables(raw.get("grants", []), "grants")),
    )
    _check(offer)
    return offer


def _window(head: _Written) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("from", head.starts), ("until", head.ends)


def _check(offer: Offer) -> None:
    """What only the whole shows."""
    if not offer.grants:
        raise BadDocument("grants", "an offer grants something; add a [[grants]]")
    for number, part in enumerate(offer.grants):
        most = part.matched.cap if part.matched else part.amount
        if most > offer.wallet:
            raise BadDocument(f"grants[{number}]", f"one claim could take {most} of a wallet of {offer.wallet}")
        if 0 < part.ends <= offer.starts:
            raise BadDocument(f"grants[{number}].until", "the grant would be over before the offer begins")
        if part.matched and not set(offer.eligibility.ways) & {"export", "record"}:
            raise BadDocument(f"grants[{number}].matched", "no way of eligibility.ways shows a former use")
    shown = any(part.amount or (part.matched and part.matched.least) for part in offer.grants)
    for way in offer.eligibility.ways:
        if way in {"code", "invitation"} and not shown:
            raise BadDocument("eligibility.ways", f"by {way} nobody shows a former use; add a grant with an `amount`")
    for way in offer.vetting.automatic:
        if way not in offer.eligibility.ways:
            raise BadDocument("vetting.automatic", f"{way} is none of eligibility.ways")


def _eligibility(raw: object) -> Eligibility:
    path = "eligibility"
    said = documents.table(raw, path, Eligibility)
    documents.words(said, path, {"ways": get_args(Way), "contracts": ()})
    said |= documents.named(said, path, ("territories",), territories.resolve)
    if "made_since" in said:
        said["made_since"] = documents.when(said["made_since"], below(path, "made_since"))
    found = documents.term(said, path, Eligibility)
    if not found.ways:
        raise BadDocument(below(path, "ways"), "nobody could claim")
    _within(found.measured_days, below(path, "measured_days"), 1, 3650)
    _within(found.least_tokens, below(path, "least_tokens"), 0)
    _within(found.least_days, below(path, "least_days"), 0, found.measured_days)
    return found


def _vetting(raw: object) -> Vetting:
    path = "vetting"
    said = documents.table(raw, path, Vetting)
    documents.words(said, path, {"automatic": get_args(Way)})
    signals = said.get("signals", {})
    if not isinstance(signals, Mapping):
        raise BadDocument(below(path, "signals"), "expected a table")
    for name, effect in signals.items():
        where = f"{path}.signals.{name}"
        if name not in DEFAULTS:
            raise BadDocument(where, f"there is no such signal{documents.nearest(name, DEFAULTS)}")
        if effect not in get_args(Effect):
            raise BadDocument(where, f"{effect!r} is none of {', '.join(get_args(Effect))}")
    found = documents.term(said, path, Vetting)
    _within(found.velocity, below(path, "velocity"), 1)
    _within(found.velocity_minutes, below(path, "velocity_minutes"), 1, 60 * 24 * 31)
    return found


def _part(raw: object, path: str) -> Part:
    said = documents.table(raw, path, Part)
    if "ends" in said:
        said["ends"] = documents.when(said["ends"], below(path, "until"))
    said |= documents.named(said, path, ("places",), territories.resolve)
    documents.words(said, path, dict.fromkeys(("models", "providers", "products"), ()))
    if ("amount" in said) == ("matched" in said):
        raise BadDocument(path, "a grant has an `amount`, or is `matched` to former use")
    if "matched" in said:
        said["matched"] = _matched(said["matched"], below(path, "matched"))
    part = documents.term(said, path, Part)
    if part.matched is None:
        _within(part.amount, below(path, "amount"), 1)
    _within(part.days, below(path, "days"), 0, 3650)
    if part.days and part.ends:
        raise BadDocument(path, "a grant is good for `days`, or `until` a time")
    _within(part.priority, below(path, "priority"), PRIORITY.start, PRIORITY.stop - 1)
    return part


def _matched(raw: object, path: str) -> Matched:
    said = documents.term(documents.table(raw, path, _Match), path, _Match)
    _within(said.cap, below(path, "cap"), 1)
    _within(said.least, below(path, "least"), 0, said.cap)
    return Matched(_thousandths(said.multiplier, below(path, "multiplier")), said.cap, said.least)


def _thousandths(value: object, path: str) -> int:
    """A multiplier is a whole number or a decimal in quotes: 0.1 as a float is not a tenth."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadDocument(path, 'write a whole number, or a decimal in quotes, as "1.5"')
    try:
        thousandths = Decimal(value) * 1000
        exact = thousandths == thousandths.to_integral_value()
    except InvalidOperation:
        exact, thousandths = False, Decimal(0)
    if not exact or not 0 < thousandths <= 1_000_000:  # noqa: PLR2004 - stated in the message
        raise BadDocument(path, f"{value!r} is no multiplier between 0.001 and 1000, with at most three decimals")
    return int(thousandths)


def _within(value: int, path: str, least: int, most: int = MOST) -> None:
    if not least <= value <= most:
        raise BadDocument(path, f"{value} is not between {least} and {most}")
