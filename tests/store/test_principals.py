from typing import get_args

import pytest

from gapura.errors import BadRequest, Forbidden, NotFound
from gapura.store import principals
from gapura.store.principals import ROLES, WHOLE, Principal, Wanted
from gapura.store.sqlite import Store

GIVEN = "admin-0123456789abcdefghijklmnopqrst"


def make(store: Store, wanted: Wanted, token: str) -> Principal:
    return store.write(lambda db: principals.create(db, wanted, token, store.secret, store.clock())).result()


def whose(store: Store, token: str) -> Principal | None:
    return store.read(lambda db: principals.authenticate(db, token, store.secret))


def test_a_token_signs_in_until_it_is_revoked(store: Store) -> None:
    token = principals.draw()
    made = make(store, Wanted(role="auditor", name="Ani"), token)
    assert token.startswith("gt-") and token.startswith(made.prefix)
    assert whose(store, token) == made
    for wrong in ("", "gt-", token[:-1], token + "x", principals.draw()):
        assert whose(store, wrong) is None
    store.write(lambda db: principals.revoke(db, made.id)).result()
    assert whose(store, token) is None
    assert store.read(principals.page) == [
        Principal(**{**{f: getattr(made, f) for f in made.__struct_fields__}, "revoked": True})
    ]
    with pytest.raises(NotFound):
        store.write(lambda db: principals.revoke(db, "prn_0")).result()


def test_every_role_and_action_is_in_the_table() -> None:
    assert set(ROLES) == set(get_args(principals.Role))
    assert set().union(*ROLES.values()) == set(get_args(principals.Action)) == ROLES["owner"]


@pytest.mark.parametrize(
    ("role", "organisation", "may", "may_not"),
    [
        ("owner", "", "principal.write", None),
        ("operator", "", "account.write", "principal.write"),
        ("approver", "", "account.status", "account.write"),
        ("auditor", "", "audit.read", "key.write"),
        ("account", "acme", "key.write", "account.write"),
        ("owner", "acme", "account.write", "audit.read"),
        ("auditor", "acme", "record.read", "audit.read"),
    ],
)
def test_what_a_role_may(
    role: principals.Role, organisation: str, may: principals.Action, may_not: principals.Action | None
) -> None:
    who = Principal("prn_1", role, organisation, "x", "gt-")
    who.require(may)
    assert who.scope == (organisation or None)
    if may_not:
        with pytest.raises(Forbidden, match=f"{role} may not {may_not}"):
            who.require(may_not)


def test_who_belongs_to_an_organisation_never_sees_the_whole() -> None:
    assert not [role for role in ROLES for action in WHOLE if Principal("p", role, "acme", "x", "gt-").may(action)]


def test_the_role_account_needs_an_organisation(store: Store) -> None:
    with pytest.raises(BadRequest, match="needs an organisation"):
        make(store, Wanted(role="account", name="x"), principals.draw())


def test_the_bootstrap_owner_is_made_once_replaced_by_another_and_stays_revoked(store: Store) -> None:
    def bootstrap(token: str) -> Principal:
        return store.write(lambda db: principals.bootstrap(db, token, store.secret, store.clock())).result()

    first = bootstrap(GIVEN)
    assert first.role == "owner" and bootstrap(GIVEN) == first == whose(store, GIVEN)
    second = bootstrap(GIVEN[::-1])
    assert whose(store, GIVEN) is None and whose(store, GIVEN[::-1]) == second
    store.write(lambda db: principals.revoke(db, second.id)).result()
    assert bootstrap(GIVEN[::-1]).revoked and whose(store, GIVEN[::-1]) is None
    with pytest.raises(BadRequest, match="GAPURA_ADMIN_TOKEN"):
        bootstrap("letmein")
