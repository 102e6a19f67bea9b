"""Why a policy concerns an account: from which places that it does not cover the account came, when, and by which keys.

Only territories and days, no addresses: this is what the account itself is shown, and what is kept with an objection.
"""

from collections.abc import Callable

from gapura.store import visits
from gapura.store.base import Connection
from gapura.store.visits import DAY
from gapura.terms.letter import Evidence, Place, UsedKey

DAYS = 90


def against(db: Connection, account: str, covers: Callable[[str], bool], at: int, days: int = DAYS) -> Evidence | None:
    """Of the last `days` days; `covers`: whether the policy covers a territory.  None: nothing is known against it."""
    since = at // DAY - days
    seen = [one for one in visits.visits(db, account, since) if not covers(one.territory)]
    if not seen:
        return None
    places = []
    for territory in sorted({one.territory for one in seen}):
        there = [one for one in seen if one.territory == territory]
        places.append(Place(territory, sum(one.requests for one in there), len({one.day for one in there})))
    return Evidence(
        first_at=seen[0].day * DAY,
        last_at=seen[-1].day * DAY,
        days=len({one.day for one in seen}),
        requests=sum(one.requests for one in seen),
        places=tuple(sorted(places, key=lambda place: -place.requests)),
        keys=tuple(_keys(db, account, covers, since)),
    )


def _keys(db: Connection, account: str, covers: Callable[[str], bool], since: int) -> list[UsedKey]:
    """Of a key that was used lately, all its requests from there count."""
    rows = db.execute(
        "SELECT v.territory, k.prefix, k.name, v.requests FROM visit_key v JOIN key k ON k.id = v.key"
        " WHERE v.account = ? AND v.last_day >= ? ORDER BY k.id",
        (account, since),
    )
    used: dict[tuple[str, str], int] = {}
    for territory, prefix, name, requests in rows:
        if not covers(territory):
            used[prefix, name] = used.get((prefix, name), 0) + requests
    return [UsedKey(prefix, name, requests) for (prefix, name), requests in used.items()]
