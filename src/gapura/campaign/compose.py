"""compose: what exactly is said to whom, as a value; which language and form it gets is decided elsewhere."""

from collections.abc import Callable, Iterable

import msgspec

from gapura.store.audiences import Member
from gapura.store.deliveries import Delivery
from gapura.terms.caller import Account
from gapura.terms.campaign import Campaign, Effect, Fallback
from gapura.terms.letter import Evidence, Kind, Letter, Way


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What all letters of a campaign have in common.  `page`: an account → the address of its status page and of the
    form where it objects, "" where there is none.  `ways`: the places that somebody calls from → where to go.  `day`:
    when an account was told, and now → its day."""

    spec: Campaign
    source: str
    page: Callable[[str, int], tuple[str, str]]
    ways: Callable[[Iterable[str]], tuple[Way, ...]]
    day: Callable[[int, int], int]


def contact(contacts: dict[str, str], fallback: Fallback, tried: Iterable[str]) -> str:
    """The role that is written to next; "" where none is left.

    >>> contact({"billing": "b@a.example", "technical": "t@a.example", "press": "p@a.example"}, Fallback(), ())
    'technical'
    >>> contact({"press": "p@a.example"}, Fallback(), ("press",))
    ''
    """
    order = {role: place for place, role in enumerate(fallback.contacts)}
    left = sorted(set(contacts) - set(tried), key=lambda role: (order.get(role, len(order)), role))
    return left[0] if left else ""


def letter(said: Said, account: Account, member: Member, notice: Delivery, seen: Evidence | None, at: int) -> Letter:
    """Written at `at`; the same arguments make the same letter.  The date is the account's own where it has a later
    one."""
    spec = said.spec
    status, appeal = said.page(account.id, at)
    return Letter(
        campaign=member.campaign,
        account=account.id,
        external_id=account.external_id,
        stage=notice.stage,
        kind=notice.kind,
        message_id=notice.message_id,
        to=account.contacts.get(notice.contact, ""),
        name=account.name,
        language=account.language or spec.language,
        zone=account.zone or spec.zone,
        provider=spec.provider,
        product=spec.product,
        policy=spec.policy,
        source=said.source,
        effect=effect(spec, notice.kind, member.acted),
        effective_at=said.day(member.told_at, at),
        written_at=at,
        evidence=seen,
        ways=spec.ways or said.ways([place.territory for place in seen.places] if seen else []),
        appeal_url=appeal,
        status_url=status,
        reason=notice.reason,
    )


def effect(spec: Campaign, kind: Kind, acted: str) -> Effect:
    """What happens on the day; afterwards, what has happened."""
    first = min(spec.acts, key=lambda act: act.after_days, default=None)
    ahead: Effect = first.effect if first else "warn"
    return "suspend" if kind == "effective" and acted == "suspend" else ahead
