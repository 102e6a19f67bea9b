"""What becomes of grants, as those who are told hear it."""

from typing import Any

from gapura.store.grants import Alert, Held

TOPICS = {"expired": "grant.expired", "spent:100": "grant.exhausted"}


def event(alert: Alert, held: Held) -> tuple[str, dict[str, Any]]:
    """Topic and body: `grant.spent` at 50 and 80 %, `grant.exhausted`, `grant.expires` 14, 7 and 1 days before,
    `grant.expired`."""
    what, _, number = alert.what.partition(":")
    topic = TOPICS.get(alert.what, f"grant.{what}")
    standing, terms = held.standing, held.terms
    body = {
        "grant": alert.grant,
        "programme": terms.programme,
        "amount": terms.amount,
        "unit": terms.unit,
        "spent": standing.spent,
        "left": standing.left + standing.lent,
        "expires": terms.expires,
    }
    if topic == "grant.spent":
        body["percent"] = int(number)
    if topic == "grant.expires":
        body["days"] = int(number)
    return topic, body


def ends(alert: Alert) -> bool:
    """Whether gates have to hear of it: nothing is to be had of the grant any more."""
    return alert.what in TOPICS
