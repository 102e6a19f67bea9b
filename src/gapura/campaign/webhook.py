"""The webhook channel: the same letter as values, for an account whose programs are told and not only its people.

It is put into the outbox in the transaction in which the letter is made, once for a notice, whomever that is written
to.  It tells; it does not count as told, since nobody knows who listens there.
"""

from typing import Any

from gapura.clock import text
from gapura.terms.letter import CODES, Evidence, Letter, message_id, token


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
