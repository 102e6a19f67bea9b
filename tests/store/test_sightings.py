from gapura.clock import SECOND, instant
from gapura.store import sightings
from gapura.store.base import Connection
from gapura.store.sightings import Astray, Seen
from gapura.store.sqlite import Store
from gapura.terms import ids

NOW = instant("2026-11-22T12:00:00+00:00")
DAY = 86_400 * SECOND


def written(db: Connection, at: int, account: str, address: str, *failures: str) -> None:
    name = ids.new("req", at)
    db.execute(
        "INSERT INTO request (id, outcome, account, model, opened_at, incarnation)"
        " VALUES (?, 'failed', ?, 'm', ?, 'i')",
        (name, account, at),
    )
    db.execute("INSERT INTO request_place VALUES (?, ?, '', '[]', '[]')", (name, address))
    for number, failure in enumerate(failures, 1):
        db.execute(
            "INSERT INTO attempt VALUES (?, ?, 'openai', 'm', 0, '[]', ?, ?, ?)", (name, number, at, at + 1, failure)
        )


def test_who_was_seen_where_since_when(store: Store) -> None:
    def work(db: Connection) -> list[Seen]:
        written(db, NOW - 3 * DAY, "acc_1", "8.8.8.8")
        written(db, NOW, "acc_1", "9.9.9.9")
        written(db, NOW, "acc_1", "9.9.9.9")
        written(db, NOW, "acc_2", "2001:db8:1::/48")
        written(db, NOW, "acc_2", "")
        return list(sightings.seen(db, NOW - 2 * DAY))

    assert store.write(work).result() == [Seen("acc_1", "9.9.9.9", "m", 2), Seen("acc_2", "2001:db8:1::", "m", 1)]


def test_refusals_of_our_own_place_are_counted(store: Store) -> None:
    region = "unsupported_country_region_territory"

    def work(db: Connection) -> list[Astray]:
        written(db, NOW - 3 * DAY, "acc_1", "8.8.8.8", region)
        written(db, NOW, "acc_1", "8.8.8.8", f"403 {region}", "502 upstream_failed")
        written(db, NOW + 9, "acc_1", "8.8.8.8", region)
        written(db, NOW, "acc_1", "8.8.8.8", "403 permission_denied")
        return sightings.astray(db, NOW - 2 * DAY)

    assert store.write(work).result() == [Astray("openai", 2, NOW + 10)]
