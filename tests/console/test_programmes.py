"""A programme over the admin API: rehearsed, granted once, told to gates; tenants see what is theirs."""

import base64
import io
import tarfile
from typing import Any

import pytest
from tests.programme.conftest import OFFER, export

from gapura.clock import instant
from gapura.store import ledger

TEXT = {"text": OFFER}
WHY = {"reason": "as agreed"}
NOW = instant("2024-06-28T09:00:00+08:00")


@pytest.fixture
def opened(home: Any) -> Any:
    """A home with an open programme, in June 2024."""
    home.clock.turn(seconds=(NOW - home.clock()) / 1_000_000)
    home.ask("POST", "/programmes", TEXT)
    assert home.ask("POST", "/programmes/moving/open", WHY).status == 200
    return home


def account(home: Any, name: str, organisation: str = "default") -> str:
    found = home.ask("POST", "/accounts", {"external_id": name, "organisation": organisation})
    return str(found.json["accounts"][0]["id"])


def claim(home: Any, name: str, data: bytes | None = None, token: str = "", **said: str) -> Any:
    account(home, name)
    body: dict[str, Any] = {"claim": {"external_id": name, **said}}
    if data is not None:
        body["export"] = base64.b64encode(data).decode()
    if token:
        return home.ask_tcp(token, "POST", "/programmes/moving/claims", body)
    return home.ask("POST", "/programmes/moving/claims", body)


def packed(table: str, **files: bytes) -> bytes:
    said = io.BytesIO()
    with tarfile.open(fileobj=said, mode="w") as archive:
        for name, data in {"claims.csv": table.encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return said.getvalue()


def test_proposing_and_opening_are_rehearsed(home: Any) -> None:
    assert home.ask("POST", "/programmes?dry_run=true", TEXT).json["programme"]["state"] == "draft"
    assert home.ask("GET", "/programmes").json == {"items": []}
    home.ask("POST", "/programmes", TEXT)
    assert home.ask("POST", "/programmes/moving/open?dry_run=true", WHY).json["programme"]["funded"] == 10_000_000
    shown = home.ask("GET", "/programmes/moving").json
    assert (shown["programme"]["state"], shown["wallet"]["left"], shown["offer"]["vendor"]) == ("draft", 0, "Zhipu")
    assert home.ask("GET", "/programmes/moving/document").json["text"] == OFFER
    assert home.ask("POST", "/programmes/moving/open", {"reason": ""}).error["field"] == "reason"
    assert home.ask("POST", "/programmes/moving/close", WHY).status == 409


def test_an_offer_that_cannot_be_meant_names_its_field(home: Any) -> None:
    said = home.ask("POST", "/programmes", {"text": OFFER.replace("wallet = 10_000_000", "wallet = 5")})
    assert (said.status, said.error["field"]) == (422, "grants[0]")


def test_a_grant_is_for_a_provider_that_there_is(home: Any) -> None:
    text = OFFER + 'providers = ["gml"]\n'
    refused = home.ask("POST", "/programmes?dry_run=true", {"text": text})
    assert refused.status == 422 and "there is no provider gml (did you mean glm?)" in refused.error["message"]


def test_a_code_is_granted_at_once_and_gates_hear_of_it(opened: Any) -> None:
    drawn = opened.ask("POST", "/programmes/moving/codes", {"name": "press", "size": 2}, idempotency_key="k").json
    assert opened.ask("POST", "/programmes/moving/codes", {"name": "press", "size": 2}, idempotency_key="k").json == {
        "batch": drawn["batch"], "codes": [],
    }  # fmt: skip
    done = claim(opened, "acme", code=drawn["codes"][0])
    assert (done.status, done.json["granted"], done.json["claim"]["state"]) == (201, True, "granted")
    (told,) = [accounts for _, accounts in opened.published if any(one.grants for one in accounts.values())]
    ((name, whose),) = told.items()
    assert [grant.amount for grant in whose.grants] == [1000]
    shown = opened.ask("GET", f"/claims/{done.json['claim']['id']}").json
    assert shown["account"]["id"] == name
    assert [move["state"] for move in shown["history"]] == ["clear", "approved", "granted"]
    assert claim(opened, "other", code=drawn["codes"][0]).status == 409
    assert opened.ask("GET", "/programmes/moving/codes").json["items"][0]["redeemed"] == 1


def test_the_audit_has_no_code_and_no_export(opened: Any) -> None:
    code = opened.ask("POST", "/programmes/moving/codes", {"name": "press", "size": 1}).json["codes"][0]
    claim(opened, "acme", export(500), code=code)
    gone = opened.ask("POST", "/programmes/moving/codes/revoke", {"code": code, "reason": "lost"})
    assert gone.status == 404, "it is redeemed"
    entries = opened.store.read(lambda db: db.execute("SELECT detail FROM audit_text").fetchall())
    assert not [detail for (detail,) in entries if code in detail or "input_tokens" in detail]


def test_evidence_is_there_for_those_who_vet(opened: Any) -> None:
    done = claim(opened, "acme", export(500)).json["claim"]
    assert opened.ask("GET", f"/claims/{done['id']}/evidence").raw == export(500)
    assert opened.ask_tcp(opened.token("account", "default"), "GET", f"/claims/{done['id']}/evidence").status == 403


def test_an_account_claims_for_its_own_organisation_alone(opened: Any) -> None:
    token = opened.token("account", "default")
    assert claim(opened, "acme", export(500), token=token).status == 201
    stranger = opened.token("account", "elsewhere")
    assert claim(opened, "other", export(600), token=stranger).status == 404


def test_approving_needs_what_the_dry_run_said(opened: Any) -> None:
    for name, tokens in (("a", 1000), ("b", 2000)):
        claim(opened, name, export(tokens))
    would = opened.ask("POST", "/programmes/moving/approve?dry_run=true", WHY).json
    assert (would["claims"], would["amount"], would["left"]) == (2, 6500, 10_000_000 - 6500)
    assert opened.ask("POST", "/programmes/moving/approve", WHY).error["field"] == "expect"
    assert opened.ask("POST", "/programmes/moving/approve", WHY | {"expect": [2, 6499]}).status == 409
    done = opened.ask("POST", "/programmes/moving/approve", WHY | {"expect": [2, 6500]}).json
    assert (done["granted"], done["approval"][:4]) == (2, "apr_")
    again = opened.ask("POST", "/programmes/moving/approve", WHY | {"expect": [0, 0]}).json
    assert (again["claims"], again["granted"]) == (0, 0)
    assert opened.ask("GET", "/programmes/moving").json["wallet"]["left"] == 10_000_000 - 6500
    assert opened.store.read(ledger.verify) == []


def test_a_table_is_filed_vetted_and_decided(opened: Any) -> None:
    for name in ("a", "b", "c", "d"):
        account(opened, name)
    table = (
        "external_id,company,evidence\na,Acme,a.json\nb,ACME.,b.json\nc,Cee,c.json\nd,Dee,d.json\nghost,,\ne,,e.json\n"
    )
    files = {"a.json": export(1), "b.json": export(2), "c.json": b"nothing", "d.json": export(4)}
    body = packed(table, **files)
    would = opened.ask("POST", "/programmes/moving/claims/import?dry_run=true", body).json
    assert (would["filed"], would["unreadable"], would["refused"]) == (4, 1, 2)
    assert [problem["where"] for problem in would["problems"]] == ["line 6", "line 7"]
    assert opened.ask("GET", "/programmes/moving/claims").json["items"] == []
    assert opened.ask("POST", "/programmes/moving/claims/import", body).json["filed"] == 4
    assert opened.ask("POST", "/programmes/moving/claims/import", body).json["known"] == 4
    wanted = {"clear": 2, "refused": 1, "review": 1}
    assert opened.ask("POST", "/programmes/moving/vet?dry_run=true").json["moved"] == wanted
    vetted = opened.ask("POST", "/programmes/moving/vet").json
    assert (vetted["moved"], vetted["groups"], vetted["grouped"]) == (wanted, 1, 2)
    assert vetted["signals"] == {"organisation": 1, "unreadable": 1}
    (unread,) = opened.ask("GET", "/programmes/moving/claims?state=review").json["items"]
    assert "none of the columns" in unread["unreadable"]
    said = {"claims": [unread["id"]], "state": "refused", "reason": "no export"}
    assert opened.ask("POST", "/programmes/moving/decide?dry_run=true", said).json["claims"] == 1
    assert opened.ask("POST", "/programmes/moving/decide", said).json == {"dry_run": False, "claims": 1}
    assert opened.ask("POST", "/programmes/moving/vet").json["moved"] == {}


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("name\nacme\n", "line 1"), ("external_id,external_id\na,b\n", "line 1"), ("external_id,way\na\n", "line 2"),
        ("external_id,way\na,letter\n", "line 2, way"), ("external_id,email\na,nobody\n", "line 2, email"),
        ("external_id,evidence\na,../../etc/passwd\n", "line 2, evidence"), ("external_id,asn\na,ASX\n", "line 2, asn"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_refused_whole(opened: Any, table: str, where: str) -> None:
    said = opened.ask("POST", "/programmes/moving/claims/import", table.encode())
    assert (said.status, said.error["field"]) == (400, where)


def test_what_was_got_by_fraud_goes_back(opened: Any) -> None:
    done = claim(opened, "acme", export(1000)).json["claim"]
    opened.ask("POST", "/programmes/moving/approve", WHY | {"expect": [1, 2500]})
    path = f"/claims/{done['id']}/revoke"
    assert opened.ask("POST", f"{path}?dry_run=true", WHY).json["claim"]["state"] == "revoked"
    assert opened.ask("GET", f"/claims/{done['id']}").json["claim"]["state"] == "granted"
    opened.published.clear()
    assert opened.ask("POST", path, WHY).json["claim"]["state"] == "revoked"
    assert [one.grants for _, accounts in opened.published for one in accounts.values()] == [()]
    assert opened.ask("GET", "/programmes/moving").json["wallet"]["left"] == 10_000_000


def test_what_is_decided_in_another_programme_is_not_found_here(opened: Any) -> None:
    opened.ask("POST", "/programmes", {"text": OFFER.replace('"moving"', '"another"')})
    done = claim(opened, "acme", export(10)).json["claim"]
    wanted = {"claims": [done["id"]], "state": "refused", "reason": "x"}
    assert opened.ask("POST", "/programmes/another/decide", wanted).error["field"] == "claims"
    assert opened.ask("GET", "/programmes/ghost/claims").status == 404
