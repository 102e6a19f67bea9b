"""The webhook channel: the same letter as values, for an account whose programs are told and not only its people.

It is put into the outbox in the transaction in which the letter is made, once for a notice, whomever that is written
to.  It tells; it counts as told where the campaign says so, since only the operator knows who listens there.
"""

import hashlib
from typing import Any

import msgspec

from gapura.clock import text
from gapura.store.taken import Taken
from gapura.terms.letter import CODES, Evidence, Letter, message_id, token

TOPIC = "campaign."


class _Data(msgspec.Struct, frozen=True):
    campaign: str
    stage: str


class Posted(msgspec.Struct, frozen=True):
    """What of an event in the outbox tells which notice it is."""

    id: str
    type: str
    account: str
    data: _Data

    @property
    def kind(self) -> str:
        return self.type.removeprefix(TOPIC)


def taken(payload: str, webhook: str, code: int, at: int) -> tuple[Posted, Taken] | None:
    """An event that the endpoint took, as proof; None for one that is no campaign's."""
    try:
        posted = msgspec.json.decode(payload, type=Posted)
    except msgspec.ValidationError:  # the data of other events are others
        return None
    if not posted.type.startswith(TOPIC):
        return None
    digest = hashlib.sha256(payload.encode()).hexdigest()
    data = posted.data
    return posted, Taken(
        campaign=data.campaign, account=posted.account, stage=data.stage, webhook=webhook, event=posted.id, code=code,
        sha256=digest, at=at,
    )  # fmt: skip


def told(letter: Letter) -> dict[str, Any]:
    """The event's data.  Times are RFC 3339 in UTC; `id` is the notice's, whichever contact it is written to."""
    identity = message_id("", letter.campaign, letter.account, letter.stage)
    return {
        "id": token(identity),
        "written_at": text(letter.written_at),
        "campaign": letter.campaign,
        "stage": letter.stage,
        "external_id": letter.external_id,
        "provider": letter.provider,
        "product": letter.product,
        "policy": letter.policy,
        "source": letter.source or None,
        "effect": letter.effect,
        "effective_at": text(letter.effective_at),
        "error_code": CODES[letter.effect] or None,
        "evidence": _evidence(letter.evidence) if letter.evidence else None,
        "ways": [
            {
                "provider": way.provider,
                "name": way.name,
                "base_url": way.base_url,
                "models": [{"now": now, "there": there} for now, there in way.counterparts],
            }
            for way in letter.ways
        ],
        "appeal_url": letter.appeal_url or None,
        "status_url": letter.status_url or None,
        "reason": letter.reason or None,
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "first_at": text(evidence.first_at),
        "last_at": text(evidence.last_at),
        "days": evidence.days,
        "requests": evidence.requests,
        "places": [
            {"territory": place.territory, "requests": place.requests, "days": place.days} for place in evidence.places
        ],
        "keys": [{"prefix": key.prefix, "name": key.name, "requests": key.requests} for key in evidence.keys],
        "networks": list(evidence.networks),
    }
