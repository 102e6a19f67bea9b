from gapura.clock import SECOND, instant
from gapura.store import sightings
from gapura.store.base import Connection
from gapura.store.sightings import Astray, Seen
from gapura.store.sqlite import Store
from gapura.terms import ids

NOW = instant("2026-11-22T12:00:00+00:00")
DAY = 86_400 * SECOND


def written(db: Connection, at: int, account: str, address: str, *failures: str) -> None:
    """Failed, at as many attempts as failures: a request's only one stands in its own row."""
    name = ids.new("req", at)
    error = failures[-1] if failures else ""
    db.execute(
        "INSERT INTO request (id, outcome, account, model, provider, error, opened_at, ended_at, incarnation)"
        " VALUES (?, 'failed', ?, 'm', 'openai', ?, ?, ?, 'i')",
        (name, account, error, at, at + 1),
    )
    db.execute("INSERT INTO request_place VALUES (?, ?, '', '[]', '[]')", (name, address))
    for number, failure in enumerate(failures if len(failures) > 1 else (), 1):
        db.execute(
            "INSERT INTO attempt VALUES (?, ?, ?, 'm', 0, '[]', ?, ?, ?)",
            (name, number, "openai" if number == 1 else "qwen", at, at + 1, failure),
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
        written(db, NOW, "acc_1", "8.8.8.8", f"403 {region}", "upstream_failed")
        written(db, NOW, "acc_1", "8.8.8.8", "502 upstream_failed", region)
        written(db, NOW + 9, "acc_1", "8.8.8.8", region)
        written(db, NOW, "acc_1", "8.8.8.8", "permission_denied")
        return sightings.astray(db, NOW - 2 * DAY)

    assert store.write(work).result() == [Astray("openai", 2, NOW + 10), Astray("qwen", 1, NOW + 1)]


def test_our_own_refusals_by_place_are_none(store: Store) -> None:
    def work(db: Connection) -> list[Astray]:
        written(db, NOW, "acc_1", "8.8.8.8", "unsupported_country_region_territory")
        db.execute("UPDATE request SET outcome = 'refused', provider = ''")
        return sightings.astray(db, NOW - DAY)

    assert store.write(work).result() == []
