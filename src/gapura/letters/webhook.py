"""The same letter as JSON, for an account whose programs are told and not only its people.

One body for one letter, the same bytes each time: whoever gets it twice knows it by `id`.  Times are RFC 3339 in UTC.
"""

from typing import Any

import msgspec

from gapura.clock import text
from gapura.letters.sender import Sender
from gapura.letters.write import CODES
from gapura.terms.letter import Evidence, Letter, message_id, token

VERSION = 1


def body(letter: Letter, sender: Sender) -> bytes:
    """What is posted; its signature and its delivery are the outbox's."""
    identity = letter.message_id or message_id(sender.domain, letter.campaign, letter.account, letter.stage)
    told: dict[str, Any] = {
        "version": VERSION,
        "id": token(identity),
        "type": f"campaign.{letter.kind}",
        "written_at": text(letter.written_at),
        "campaign": letter.campaign,
        "stage": letter.stage,
        "account": {"id": letter.account, "external_id": letter.external_id, "name": letter.name},
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
    if letter.kind == "decision":
        told["granted"] = letter.granted
    if letter.kind == "receipt" and letter.answer_by:
        told["answer_by"] = text(letter.answer_by)
    return msgspec.json.encode(told)


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
