"""What an account is shown: from where it came that the policy does not cover, how often, and by which keys."""

from gapura.store import accounts, evidence, keys, records, visits
from gapura.store.accounts import from_dicts
from gapura.store.base import Connection
from gapura.store.evidence import DAYS
from gapura.store.journal import Frame, Position
from gapura.store.keys import Wanted
from gapura.store.secrets import draw
from gapura.store.sqlite import Store
from gapura.store.visits import DAY
from gapura.terms.letter import Evidence, Place, UsedKey
from gapura.terms.record import Context, Refused


def test_places_days_counts_and_keys(store: Store) -> None:
    at = store.clock()
    rows = from_dicts([{"external_id": "acme"}, {"external_id": "globex"}])
    acme, globex = store.write(lambda db: accounts.upsert(db, None, rows, at)).result().created

    def key(name: str) -> str:
        wanted = Wanted(account_id=acme.id, name=name)
        secret = store.secret
        return store.write(lambda db: keys.create(db, None, wanted, draw(keys.PREFIX), secret, at)).result().id

    build, test = key("build"), key("test")
    day = at // DAY
    asked = [
        (acme.id, build, "CN", day - 3, 4), (acme.id, test, "CN", day - 3, 2), (acme.id, build, "HK", day - 1, 1),
        (acme.id, build, "CN", day - 1, 1), (acme.id, test, "SG", day, 9), (globex.id, "key_x", "CN", day, 5),
        (acme.id, build, "CN", day - DAYS - 1, 3),
    ]  # fmt: skip
    number = 0
    for account, used, territory, on, requests in asked:
        for _ in range(requests):
            number += 1
            context = Context(
                account, used, "default", "m", False, False, territory, "certain", "peer", "", "", "", f"dec_{number}",
                "v", "allow", (), (),
            )  # fmt: skip
            frame = Frame(1, Refused(f"req_{number}", on * DAY, 403, "no", context))
            _take_in(store, f"inc_{number}", frame)
    while store.write(visits.take_in).result()[0]:
        pass

    found = store.read(lambda db: evidence.against(db, acme.id, lambda place: place == "SG", at))
    assert found is not None
    prefixes = {one.name: one.prefix for one in store.read(lambda db: keys.page(db, None, acme.id))}
    assert found == Evidence(
        first_at=(day - 3) * DAY,
        last_at=(day - 1) * DAY,
        days=2,
        requests=8,
        places=(Place("CN", 7, 2), Place("HK", 1, 1)),
        keys=found.keys,
    )
    # A key that was used lately is shown with all its requests from there.
    assert set(found.keys) == {UsedKey(prefixes["build"], "build", 9), UsedKey(prefixes["test"], "test", 2)}
    assert store.read(lambda db: evidence.against(db, acme.id, lambda _: True, at)) is None
    assert store.read(lambda db: evidence.against(db, "acc_none", lambda _: False, at)) is None


def _take_in(store: Store, incarnation: str, frame: Frame) -> None:
    def work(db: Connection) -> None:
        records.begin(db, incarnation, "boot", 1)
        records.take_in(db, incarnation, [frame], Position(1, 1))

    store.write(work).result()
