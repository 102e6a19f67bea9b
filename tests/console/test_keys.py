from typing import Any

import pytest


@pytest.fixture
def account(home: Any) -> str:
    made: str = home.ask("POST", "/accounts", {"external_id": "acme", "organisation": "org-a"}).json["accounts"][0][
        "id"
    ]
    return made


def test_a_key_is_told_once_and_known_at_once(home: Any, account: str) -> None:
    made = home.ask("POST", "/keys", {"account_id": account, "models": ["gpt-4o*"]})
    secret, key = made.json["secret"], made.json["key"]
    assert made.status == 201 and secret.startswith("sk-gp-") and secret.startswith(key["prefix"])
    ((keys, _),) = home.published[1:]
    assert list(keys) == [home.store.secret.digest(secret).hex()] and keys.popitem()[1].models == ("gpt-4o*",)
    listed = home.ask("GET", f"/keys?account={account}")
    assert listed.json["items"] == [key] and secret.encode() not in listed.raw
    assert secret.encode() not in home.ask("GET", "/audit").raw


def test_a_repetition_does_not_tell_it_again(home: Any, account: str) -> None:
    first = home.ask("POST", "/keys", {"account_id": account}, idempotency_key="k1").json
    again = home.ask("POST", "/keys", {"account_id": account}, idempotency_key="k1").json
    assert first["secret"] and again == {"key": first["key"], "secret": None}
    assert len(home.ask("GET", "/keys").json["items"]) == 1


def test_a_revoked_key_stays_revoked_and_says_why(home: Any, account: str) -> None:
    key = home.ask("POST", "/keys", {"account_id": account}).json["key"]["id"]
    for body in ({}, {"reason": ""}):
        assert home.ask("POST", f"/keys/{key}/revoke", body).error["field"] == "reason"
    tried = home.ask("POST", f"/keys/{key}/revoke?dry_run=true", {"reason": "leaked"}).json
    assert tried["dry_run"] and not home.ask("GET", "/keys").json["items"][0]["revoked"]
    assert home.ask("POST", f"/keys/{key}/revoke", {"reason": "leaked"}).json["key"]["revoked"]
    assert home.ask("GET", "/keys").json["items"][0]["revoked"]
    (told,) = home.published[-1][0].values()
    assert told.revoked and home.ask("GET", "/audit").json["items"][-1]["reason"] == "leaked"


def test_no_customer_says_where_its_callers_are(home: Any, account: str) -> None:
    for role in ("account", "operator", "owner"):
        token = home.token(role, "org-a")
        assert home.ask_tcp(token, "POST", "/keys", {"account_id": account}).status == 201
        refused = home.ask_tcp(token, "POST", "/keys", {"account_id": account, "may_assert_origin": True})
        assert (refused.status, refused.error["field"]) == (403, "may_assert_origin")
    body = {"account_id": account, "may_assert_origin": True}
    assert home.ask_tcp(home.token("operator"), "POST", "/keys", body).status == 201
