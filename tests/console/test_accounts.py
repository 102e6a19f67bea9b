from typing import Any

from gapura.store import ledger, records

CSV = """external_id,organisation,name,contact_billing,budget
acme,org-a,Acme,ap@acme.example,5000
globex,org-b,环球贸易,,
"""


def account(home: Any, external_id: str = "acme", **said: Any) -> Any:
    return home.ask("POST", "/accounts", {"external_id": external_id, **said}).json["accounts"][0]


def test_stated_twice_is_there_once(home: Any) -> None:
    first = home.ask("POST", "/accounts", {"external_id": "acme", "name": "Acme"}).json
    again = home.ask("POST", "/accounts", {"external_id": "acme", "name": "Acme"}).json
    third = home.ask("POST", "/accounts", {"external_id": "acme", "zone": "Asia/Jakarta"}).json
    assert (first["created"], again["unchanged"], third["updated"]) == (1, 1, 1)
    assert third["accounts"][0] == first["accounts"][0] | {"zone": "Asia/Jakarta"}
    assert [one["external_id"] for one in home.ask("GET", "/accounts").json["items"]] == ["acme"]
    assert len(home.published) == 3


def test_a_table_is_tried_before_it_is_written(home: Any) -> None:
    dry = home.ask("POST", "/accounts/import?dry_run=true", CSV.encode()).json
    assert (dry["dry_run"], dry["created"]) == (True, 2)
    assert home.ask("GET", "/accounts").json["items"] == [] and home.published == []
    assert home.ask("GET", "/audit").json["items"] == []
    done = home.ask("POST", "/accounts/import", CSV.encode()).json
    assert (done["dry_run"], done["created"]) == (False, 2)
    assert {one["name"] for one in home.ask("GET", "/accounts").json["items"]} == {"Acme", "环球贸易"}
    assert len(home.published) == 1 and len(home.published[0][1]) == 2


def test_a_zone_and_a_place_are_there(home: Any) -> None:
    for said, told in (
        ({"zone": "Asia/Shangai"}, "account, zone: there is no time zone 'Asia/Shangai'; write e.g. Asia/Shanghai"),
        ({"zone": "../../etc/passwd"}, "account, zone: there is no time zone"),
        ({"declared_territory": "XX"}, "account, declared_territory: there is no territory XX"),
        ({"phone_territory": "china"}, "phone_territory: expected a territory's code of two capitals, as SG"),
    ):
        refused = home.ask("POST", "/accounts", {"external_id": "acme", **said})
        assert refused.status in {400, 422} and told in refused.error["message"]
    assert home.ask("GET", "/accounts").json["items"] == []


def test_a_bad_row_writes_nothing(home: Any) -> None:
    answer = home.ask("POST", "/accounts/import", CSV.encode() + b"initech,org-a,,,many\n")
    assert answer.status == 400 and "line 4" in answer.error["message"] and "budget" in answer.error["message"]
    assert home.ask("GET", "/accounts").json["items"] == []


def test_pages_follow_one_another(home: Any) -> None:
    rows = "".join(f"c{n}\n" for n in range(5))
    home.ask("POST", "/accounts/import", f"external_id\n{rows}".encode())
    found, after = [], ""
    while True:
        page = home.ask("GET", f"/accounts?limit=2&after={after}").json
        found += [one["id"] for one in page["items"]]
        if not (after := page["next"]):
            break
    assert len(found) == len(set(found)) == 5 and found == sorted(found)


def test_by_the_operators_own_id(home: Any) -> None:
    made = account(home, organisation="org-a")
    assert home.ask("GET", "/accounts?external_id=acme").json["items"] == []
    assert home.ask("GET", "/accounts?external_id=acme&organisation=org-a").json["items"] == [made]


def test_nobody_is_shut_out_without_a_reason(home: Any) -> None:
    path = f"/accounts/{account(home)['id']}/status"
    assert home.ask("POST", path, {"status": "active", "reason": "x"}).status == 409
    assert home.ask("POST", f"{path}?dry_run=true", {"status": "active", "reason": "x"}).status == 409
    assert home.ask("POST", path, {"status": "warned"}).status == 200
    refused = home.ask("POST", path, {"status": "suspended", "reason": " "})
    assert (refused.status, refused.error["field"]) == (422, "reason")
    assert home.ask("POST", path, {"status": "suspended", "reason": "place"}).json["before"] == "warned"
    assert home.published[-1][1].popitem()[1].status == "suspended"
    assert home.ask("POST", path, {"status": "active"}).json["account"]["status"] == "active"
    last = home.ask("GET", "/audit").json["items"][-2]
    assert (last["action"], last["reason"]) == ("account.status", "place")


def test_a_rehearsal_changes_nothing(home: Any) -> None:
    made = account(home)
    key = home.ask("POST", "/keys", {"account_id": made["id"], "name": "k"}).json["key"]
    before, told = home.ask("GET", "/audit").raw, len(home.published)
    tried = home.ask("POST", f"/accounts/{made['id']}/status?dry_run=true", {"status": "warned"}).json
    assert tried["dry_run"] and tried["account"]["status"] == "warned" and tried["keys"] == [key]
    assert home.ask("GET", f"/accounts/{made['id']}").json == made
    assert home.ask("GET", "/audit").raw == before and len(home.published) == told


def test_the_ledger_follows_the_budget(home: Any) -> None:
    made = account(home, budget=5000)
    path = f"/accounts/{made['id']}"
    assert home.ask("GET", f"{path}/tokens").json["left"] == 5000
    assert home.ask("PATCH", f"{path}/limits", {"budget": 7000, "requests_per_minute": 3}).json["budget"] == 7000
    assert home.ask("GET", f"{path}/tokens").json["granted"] == 7000
    home.ask("POST", "/accounts", {"external_id": "acme", "budget": 100})
    assert home.ask("GET", f"{path}/tokens").json["granted"] == 100
    home.ask("PATCH", f"{path}/limits", {"budget": -1})
    assert home.ask("GET", f"{path}/tokens").json["granted"] == 0
    assert home.published[-1][1][made["id"]].requests_per_minute == 3


def test_what_a_power_cut_set_aside_is_released_by_hand(home: Any) -> None:
    made = account(home, budget=5000)
    path = f"/accounts/{made['id']}/tokens"

    def power_cut(db: Any) -> None:
        records.begin(db, "inc_1", "boot", 1)
        ledger.lend(db, "inc_1", "tok:" + made["id"], lambda left: 700, ref="lend:1", at=1)
        ledger.close(db, "inc_1", forfeit=True, at=2)

    home.store.write(power_cut).result()
    assert home.ask("GET", path).json["unreconciled"] == 700
    assert home.ask("POST", f"{path}/reconcile", {"amount": 500}).error["field"] == "reason"
    done = home.ask("POST", f"{path}/reconcile", {"amount": 500, "reason": "the vendor's bill"}).json
    assert (done["unreconciled"], done["left"]) == (200, 4800)
    assert home.ask("GET", "/audit").json["items"][-1]["action"] == "account.reconcile"


def test_a_repetition_is_answered_and_not_done(home: Any) -> None:
    made = account(home)
    path = f"/accounts/{made['id']}/status"
    first = home.ask("POST", path, {"status": "warned"}, idempotency_key="one")
    home.ask("POST", path, {"status": "active"})
    told = len(home.published)
    again = home.ask("POST", path, {"status": "warned"}, idempotency_key="one")
    assert first.json["account"] == again.json["account"]
    # The gates must not hear the old state again: the account is active by now.
    assert len(home.published) == told
    assert home.ask("GET", f"/accounts/{made['id']}").json["status"] == "active"
    other = home.ask("POST", path, {"status": "suspended", "reason": "x"}, idempotency_key="one")
    assert (other.status, other.error["code"]) == (409, "conflict")


def test_one_organisation_never_reaches_another(home: Any) -> None:
    ours, theirs = account(home, "a", organisation="org-a"), account(home, "b", organisation="org-b")
    key = home.ask("POST", "/keys", {"account_id": theirs["id"], "name": "k"}).json["key"]["id"]
    for role in ("account", "operator", "owner"):
        token = home.token(role, "org-a")
        assert [one["id"] for one in home.ask_tcp(token, "GET", "/accounts").json["items"]] == [ours["id"]]
        assert home.ask_tcp(token, "GET", "/keys").json["items"] == []
        assert home.ask_tcp(token, "GET", "/accounts?external_id=b&organisation=org-b").json["items"] == []
        for method, path, body in (
            ("GET", f"/accounts/{theirs['id']}", None),
            ("GET", f"/accounts/{theirs['id']}/tokens", None),
            ("POST", "/keys", {"account_id": theirs["id"]}),
            ("POST", f"/keys/{key}/revoke", {"reason": "x"}),
        ):
            assert home.ask_tcp(token, method, path, body).status == 404, (role, path)
    operator = home.token("operator", "org-a")
    refused = home.ask_tcp(operator, "POST", f"/accounts/{theirs['id']}/status", {"status": "warned"})
    assert refused.status == 404
    assert home.ask_tcp(operator, "POST", "/accounts", {"external_id": "c", "organisation": "org-b"}).status == 403
