"""Webhooks over the API: the secret is told once, what goes out is rehearsed first, and tenants have none."""

from typing import Any

import pytest

from gapura.store import outbox, webhooks
from gapura.store.webhooks import Webhook

URL = {"url": "https://example.com/hook"}


def test_the_secret_is_told_once(home: Any) -> None:
    made = home.ask("POST", "/webhooks", URL, idempotency_key="1")
    assert made.status == 201
    assert made.json["secret"] == webhooks.told(home.store.secret, one(home, made.json["webhook"]["id"]))
    again = home.ask("POST", "/webhooks", URL, idempotency_key="1")
    assert again.json == {"webhook": made.json["webhook"], "secret": None}
    assert home.ask("GET", "/webhooks").json["items"] == [made.json["webhook"]]
    assert made.json["secret"].encode() not in home.store.path.read_bytes()


def one(home: Any, webhook: str) -> Webhook:
    return home.store.read(lambda db: webhooks.get(db, webhook))  # type: ignore[no-any-return]


def test_rotating_is_rehearsed_and_tells_the_secret_once(home: Any) -> None:
    made = home.ask("POST", "/webhooks", URL).json
    webhook = made["webhook"]["id"]
    path, why = f"/webhooks/{webhook}/rotate", {"reason": "it was in a log", "keep_hours": 2}
    tried = home.ask("POST", f"{path}?dry_run=true", why).json
    assert (tried["secret"], tried["webhook"]["generation"], one(home, webhook).generation) == (None, 1, 0)
    done = home.ask("POST", path, why, idempotency_key="2").json
    assert done["secret"] == webhooks.told(home.store.secret, one(home, webhook)) != made["secret"]
    assert done["webhook"]["former_until"] == home.clock() + 2 * 3600 * 1_000_000
    again = home.ask("POST", path, why, idempotency_key="2").json
    assert (again["secret"], again["webhook"]) == (None, done["webhook"]), "a repetition rotates nothing"
    assert home.ask("POST", path, {"reason": "x", "keep_hours": 721}).status == 422
    assert home.ask("POST", f"/webhooks/{webhook}/remove", {"reason": "x"}).status == 200
    assert home.ask("POST", path, why).status == 409


def test_removing_is_rehearsed(home: Any) -> None:
    webhook = home.ask("POST", "/webhooks", URL).json["webhook"]["id"]
    path, why = f"/webhooks/{webhook}/remove", {"reason": "moved"}
    assert home.ask("POST", f"{path}?dry_run=true", why).json["dry_run"]
    assert len(home.ask("GET", "/webhooks").json["items"]) == 1
    assert home.ask("POST", path, {"reason": " "}).status == 422
    assert home.ask("POST", path, why).json["webhook"]["state"] == "removed"
    assert home.ask("GET", "/webhooks").json["items"] == []
    assert home.ask("POST", f"/webhooks/{webhook}/test").status == 404


def test_a_test_is_an_event_that_can_be_followed(home: Any) -> None:
    webhook = home.ask("POST", "/webhooks", URL | {"topics": ["grant.*"]}).json["webhook"]["id"]
    event = home.ask("POST", f"/webhooks/{webhook}/test").json["event"]
    (became,) = home.ask("GET", f"/events/{event}").json["items"]
    assert (became["topic"], became["state"], became["webhook"]) == ("webhook.test", "waiting", webhook)
    assert home.ask("GET", f"/webhooks/{webhook}/deliveries?state=waiting").json["items"] == [became]
    assert home.ask("GET", f"/webhooks/{webhook}/deliveries?state=dead").json["items"] == []
    assert home.ask("GET", "/events/evt_none").status == 404


def test_what_was_given_up_is_sent_again(home: Any) -> None:
    webhook = home.ask("POST", "/webhooks", URL).json["webhook"]["id"]

    def given_up(db: Any) -> None:
        outbox.put(db, "grant.expired", "acc_1", {}, home.clock())
        db.execute("UPDATE webhook_delivery SET state = 'dead', due_at = NULL")

    home.store.write(given_up).result()
    path, wanted = f"/webhooks/{webhook}/replay", {"since": "2026-01-01T00:00:00Z", "reason": "the disk was full"}
    assert home.ask("POST", f"{path}?dry_run=true", wanted).json == {"dry_run": True, "events": 1}
    assert home.ask("POST", path, wanted).json == {"dry_run": False, "events": 1}
    assert home.ask("POST", path, wanted).json["events"] == 0, "it waits already"
    later = wanted | {"since": "2026-12-01T00:00:00Z"}
    assert home.ask("POST", path, later).json["events"] == 0


@pytest.mark.parametrize("since", ["", "yesterday", "2026-07-09"])
def test_since_when(home: Any, since: str) -> None:
    webhook = home.ask("POST", "/webhooks", URL).json["webhook"]["id"]
    said = home.ask("POST", f"/webhooks/{webhook}/replay", {"since": since, "reason": "x"})
    assert (said.status, said.error["field"]) == (422, "since")


def test_pages(home: Any) -> None:
    webhook = home.ask("POST", "/webhooks", URL).json["webhook"]["id"]
    events = [home.store.write(lambda db: outbox.put(db, "a.b", "acc_1", {}, 1)).result() for _ in range(3)]
    first = home.ask("GET", f"/webhooks/{webhook}/deliveries?limit=2").json
    second = home.ask("GET", f"/webhooks/{webhook}/deliveries?limit=2&after={first['next']}").json
    assert [row["event"] for row in first["items"] + second["items"]] == events
    assert second["next"] == ""
