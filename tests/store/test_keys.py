from typing import Any

import pytest

from gapura.clock import SECOND
from gapura.errors import BadRequest, NotFound
from gapura.store import accounts, keys
from gapura.store.keys import Wanted
from gapura.store.sqlite import Store
from gapura.terms.caller import Key

GIVEN = "sk-deploy-0123456789abcdefghijklmnop"


@pytest.fixture
def owners(store: Store) -> dict[str, str]:
    """An account of each of two organisations."""
    rows = accounts.from_dicts({"external_id": "c", "organisation": name} for name in ("acme", "globex"))
    done = store.write(lambda db: accounts.upsert(db, None, rows, store.clock())).result()
    return {account.organisation: account.id for account in done.created}


def make(store: Store, account: str, token: str = "", scope: str | None = None, **said: Any) -> Key:
    wanted, token = Wanted(account_id=account, **said), token or keys.draw()
    return store.write(lambda db: keys.create(db, scope, wanted, token, store.secret, store.clock())).result()


def bootstrap(store: Store, account: str, token: str) -> Key:
    wanted = Wanted(account_id=account, name="bootstrap")
    return store.write(lambda db: keys.bootstrap(db, wanted, token, store.secret, store.clock())).result()


def test_a_key_is_kept_as_its_hash_only(store: Store, owners: dict[str, str]) -> None:
    token = keys.draw()
    key = make(store, owners["acme"], token, models=("gpt-4o-mini",), cidrs=("10.0.0.0/8",), may_assert_origin=True)
    assert token.startswith(key.prefix) and len(key.prefix) == 12
    assert store.read(lambda db: keys.get(db, None, key.id)) == key
    assert store.read(lambda db: list(keys.every(db))) == [(store.secret.digest(token), key)]
    assert store.read(lambda db: keys.digest(db, key.id)) == store.secret.digest(token)
    files = b"".join(file.read_bytes() for file in store.path.parent.glob("gapura.db*"))
    assert key.prefix.encode() in files and token[12:].encode() not in files


@pytest.mark.parametrize(
    ("said", "field"),
    [({"cidrs": ("10.0.0.1/8",)}, "cidrs"), ({"cidrs": ("nowhere",)}, "cidrs"), ({"expires_at": SECOND}, "expires_at")],
)
def test_an_impossible_key_is_refused(store: Store, owners: dict[str, str], said: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        make(store, owners["acme"], **said)
    assert caught.value.param == field


def test_nobody_reaches_a_key_of_another_organisation(store: Store, owners: dict[str, str]) -> None:
    mine, other = make(store, owners["acme"]), make(store, owners["globex"])
    for attempt in (
        lambda db: keys.get(db, "acme", other.id),
        lambda db: keys.revoke(db, "acme", other.id),
        lambda db: keys.create(db, "acme", Wanted(account_id=owners["globex"]), keys.draw(), store.secret, 1),
    ):
        with pytest.raises(NotFound):
            store.write(attempt).result()
    assert store.read(lambda db: keys.page(db, "acme")) == [mine]
    assert store.read(lambda db: keys.page(db, "acme", owners["globex"])) == []
    assert {key.id for key in store.read(lambda db: keys.page(db, None))} == {mine.id, other.id}
    assert store.read(lambda db: keys.page(db, None, owners["globex"])) == [other]


def test_revoking_is_for_ever_and_twice_is_once(store: Store, owners: dict[str, str]) -> None:
    key, other = make(store, owners["acme"]), make(store, owners["acme"])
    first = store.write(lambda db: keys.revoke(db, None, key.id)).result()
    assert first.revoked and store.write(lambda db: keys.revoke(db, "acme", key.id)).result() == first
    assert {found.id: found.revoked for found in store.read(lambda db: keys.page(db, None))} == {
        key.id: True,
        other.id: False,
    }


def test_the_bootstrap_key_is_made_once_replaced_by_another_and_stays_revoked(
    store: Store, owners: dict[str, str]
) -> None:
    first = bootstrap(store, owners["acme"], GIVEN)
    assert bootstrap(store, owners["acme"], GIVEN) == first and not first.revoked
    second = bootstrap(store, owners["acme"], GIVEN[::-1])
    assert second.id != first.id and not second.revoked
    assert store.read(lambda db: keys.get(db, None, first.id)).revoked
    store.write(lambda db: keys.revoke(db, None, second.id)).result()
    assert bootstrap(store, owners["acme"], GIVEN[::-1]).revoked
    with pytest.raises(BadRequest, match="GAPURA_BOOTSTRAP_KEY"):
        bootstrap(store, owners["acme"], "sk-short")
