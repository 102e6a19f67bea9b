from pathlib import Path

from gapura.store import accounts, directory, exceptions, keys, notices
from gapura.store.accounts import from_dicts
from gapura.store.base import Connection
from gapura.store.directory import Directory
from gapura.store.exceptions import Wanted
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Notice
from gapura.terms.link import Delta


def notice(campaign: str, stage: str) -> Notice:
    return Notice("ntc_1", campaign, "openai", stage, "block", 20, 10)


def test_the_last_notice_of_each_campaign_stands_until_it_is_withdrawn(store: Store) -> None:
    rows = from_dicts([{"external_id": "acme"}, {"external_id": "globex"}])
    acme, globex = store.write(lambda db: accounts.upsert(db, None, rows, 1)).result().created

    def told() -> list[str]:
        found = store.read(lambda db: accounts.get(db, None, acme.id))
        return [f"{one.campaign} {one.stage}" for one in found.notices]

    def post(one: Notice) -> None:
        store.write(lambda db: notices.post(db, {acme.id: one, "acc_gone": one})).result()

    for campaign, stage in (("a", "T-30"), ("b", "T-14"), ("a", "T-7")):
        post(notice(campaign, stage))
    assert told() == ["b T-14", "a T-7"]
    store.write(lambda db: notices.withdraw(db, "b", [acme.id, globex.id])).result()
    assert told() == ["a T-7"]
    assert store.read(lambda db: accounts.get(db, None, globex.id)).notices == ()


def test_gates_read_it_from_the_whole_file_and_from_what_changed(store: Store, tmp_path: Path) -> None:
    rows = from_dicts([{"external_id": "acme"}, {"external_id": "globex"}])
    acme, globex = store.write(lambda db: accounts.upsert(db, None, rows, 1)).result().created
    one = notice("a", "T-7")
    wanted = Wanted(account=acme.id, policy="openai", reason="r")

    def change(db: Connection) -> None:
        notices.post(db, {acme.id: one})
        exceptions.put(db, wanted, 5)

    store.write(change).result()
    path = tmp_path / "keys.dir"
    store.read(lambda db: directory.write(path, keys.every(db), accounts.every(db)))
    found = Directory(path)

    def seen(name: str) -> Account:
        account = found.by_external_id("default", name)
        assert account
        return account

    assert (seen("acme").notices, [lifted.policy for lifted in seen("acme").lifted]) == ((one,), ["openai"])
    assert (seen("globex").notices, seen("globex").lifted) == ((), ())
    found.apply(Delta(1, accounts={globex.id: store.read(lambda db: accounts.get(db, None, acme.id))}))
    assert seen("acme").notices == (one,)
    found.close()
