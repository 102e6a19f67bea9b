"""An account sees its own case, objects, and nobody else's pages; nothing works without leave."""

import json
import logging

import pytest
from tests.portal.conftest import BLOCK_FROM, Browser, Scene, turn

from gapura.portal import limits
from gapura.store import accounts, appeals, audit, exceptions, keys, links
from gapura.store.appeals import Decision
from gapura.store.base import Connection
from gapura.store.exceptions import Wanted
from gapura.store.visits import DAY


def object_to(scene: Scene, browser: Browser, reason: str = "我们出差了") -> str:
    form = browser.get("/object?policy=openai%2Fapi")
    done = browser.send("/object", {"form": form.seal, "policy": "openai/api", "reason": reason}, origin=scene.site)
    assert done.status == 303, done.text
    return done.headers["location"]


def test_a_link_shows_what_stops_when_and_why(scene: Scene) -> None:
    page = scene.browser(scene.acme).get("/account?lang=en").text
    for told in (
        "Account acme", "openai/api", "From January 15, 2027, 00:00 (China Standard Time, UTC+08:00)",
        "which is January 14, 2027 16:00 UTC", "China", "1,540 requests on 2 days", "Hong Kong",
        "November 13, 2026 to November 20, 2026", "build", "T-60", "Object to this",
        "Move to a provider that serves China and Hong Kong SAR China", "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "https://developers.openai.com/api/docs/supported-countries",
    ):  # fmt: skip
        assert told in page, told
    assert scene.key[:12] in page and scene.key not in page and "Singapore" not in page


def test_it_speaks_the_accounts_language_unless_another_is_chosen(scene: Scene) -> None:
    browser = scene.browser(scene.acme)
    assert '<html lang="zh-Hans"' in browser.get("/account").text
    assert '<html lang="id"' in browser.get("/account?lang=id").text
    assert '<html lang="zh-Hans"' in browser.get("/account?lang=xx%22%3E%3Cscript%3E").text
    stranger = scene.browser(scene.globex)
    assert '<html lang="id"' in stranger.get("/account", accept_language="fr, id;q=0.7, en;q=0.2").text
    assert '<html lang="en"' in stranger.get("/account").text


def test_an_account_without_a_case_is_told_so(scene: Scene) -> None:
    page = scene.browser(scene.globex).get("/account")
    assert "Nothing is known against your account" in page.text and "acme" not in page.text
    assert scene.browser(scene.globex).get("/object").headers["location"] == "/account"
    assert scene.browser(scene.globex).get("/object?policy=openai%2Fapi").status == 404


def test_from_the_objection_to_the_decision(scene: Scene) -> None:
    browser = scene.browser(scene.acme)
    where = object_to(scene, browser, "We <b>travelled</b>\nand came back")
    page = browser.get(where + "?lang=en").text
    assert "We &lt;b&gt;travelled&lt;/b&gt;\nand came back" in page and "Received" in page
    assert "You will have an answer by December 2, 2026" in page
    name = where.rpartition("/")[2]
    assert [lifted.kind for lifted in scene.published[-1].lifted] == ["interim"]
    account = browser.get("/account?lang=en").text
    assert "Until your objection is decided" in account and "Object to this" not in account
    said = scene.store.read(lambda db: appeals.texts(db, name))
    assert said and said.evidence and said.evidence.requests == 1543
    decision = Decision(actor="prn_secret", reason="Your office is in Singapore.")
    scene.store.write(lambda db: appeals.take(db, name, "prn_secret", scene.clock())).result()
    scene.store.write(lambda db: appeals.grant(db, name, decision, scene.clock())).result()
    page = browser.get(where + "?lang=en").text
    assert "Your office is in Singapore." in page and "Granted" in page and "prn_secret" not in page
    account = browser.get("/account?lang=en").text
    assert "This rule is lifted for your account." in account and "Move to a provider" not in account
    assert "will be refused" not in account, "what is lifted does not stop"
    (entry,) = scene.store.read(audit.entries)
    assert (entry.actor, entry.action, entry.subject) == (scene.acme, "appeal.file", scene.acme)


def test_it_may_be_withdrawn(scene: Scene) -> None:
    browser = scene.browser(scene.acme)
    where = object_to(scene, browser)
    done = browser.send(f"{where}/withdraw", {"form": browser.get(where).seal})
    assert done.status == 303 and "已撤回" in browser.get(where).text
    again = browser.send(f"{where}/withdraw", {"form": browser.get("/account").seal})
    assert again.status == 409
    assert scene.published[-1].lifted == ()


def test_nobody_reaches_another_account(scene: Scene) -> None:
    where = object_to(scene, scene.browser(scene.acme))
    other = scene.browser(scene.globex)
    assert other.get(where).status == 404
    assert other.send(f"{where}/withdraw", {"form": other.get("/account").seal}).status == 404
    token = scene.link(scene.globex)
    for method, path in (("GET", f"{where}.json"), ("POST", f"{where}/withdraw.json")):
        reply = scene.browser().ask(method, path, None, authorization=f"Bearer {token}")
        assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")
    assert scene.store.read(lambda db: appeals.of_account(db, scene.acme))[0].state == "received"


def test_without_leave_there_is_nothing(scene: Scene) -> None:
    browser = scene.browser()
    for path in ("/account", "/object", "/objections/apl_1"):
        reply = browser.get(path)
        assert (reply.status, reply.headers["location"]) == (303, "/")
    for path in ("/object", "/objections/apl_1/withdraw"):
        assert browser.send(path, {"reason": "r"}).headers["location"] == "/"
    for path in ("/account.json", "/objections/apl_1.json"):
        assert browser.get(path).status == 401
    forged = scene.browser()
    forged.cookies["gapura"] = scene.link(scene.acme)[:-2] + "AA"
    assert forged.get("/account").headers["location"] == "/"


def test_a_link_ends_and_so_does_what_it_opened(scene: Scene) -> None:
    link = scene.link(scene.acme, days=1)
    browser = scene.browser()
    opened = browser.get(f"/enter/{link}?lang=id")
    assert (opened.status, opened.headers["location"]) == (303, "/account?lang=id")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=lax" in cookie.lower() and "max-age=3600" in cookie.lower()
    assert link not in cookie, "the cookie is good for an hour only"
    scene.clock.turn(seconds=3600)
    assert browser.get("/account").headers["location"] == "/"
    assert browser.get(f"/enter/{link}/object").headers["location"] == "/object"
    scene.clock.turn(days=1)
    over = browser.get(f"/enter/{link}")
    assert over.status == 401 and "not valid any more" in over.text


@pytest.mark.parametrize("all_", [False, True])
def test_a_link_that_was_revoked_says_so_and_ends_what_it_opened(scene: Scene, *, all_: bool) -> None:
    link, other = scene.link(scene.acme), scene.link(scene.acme, days=20)
    browser, by_key = scene.browser(), scene.browser()
    browser.get(f"/enter/{link}")
    by_key.send("/enter", {"key": scene.key})
    found = links.opened(scene.store.secret, link, scene.clock())
    assert found and browser.get("/account").status == 200
    scene.clock.turn(seconds=1)

    def revoke(db: Connection) -> None:
        if all_:
            links.revoke_all(db, scene.acme, scene.clock())
        else:
            links.revoke(db, found, scene.clock())

    scene.store.write(revoke).result()
    assert browser.get("/account").headers["location"] == "/"
    assert "was revoked" in browser.get("/?lang=en").text
    again = scene.browser().get(f"/enter/{link}?lang=en")
    assert again.status == 401 and "This link was revoked" in again.text and "set-cookie" not in again.headers
    said = browser.get("/account.json", authorization=f"Bearer {link}")
    assert said.status == 401 and "revoked" in said.text
    assert scene.browser().get(f"/enter/{other}").status == (401 if all_ else 303)
    assert by_key.get("/account").status == (303 if all_ else 200)
    scene.clock.turn(seconds=1)
    assert scene.browser(scene.acme).get("/account").status == 200, "a new one"


def test_a_link_to_read_is_no_leave_to_object(scene: Scene) -> None:
    browser = scene.browser(scene.acme, "see")
    page = browser.get("/account?lang=en")
    assert "China" in page.text and "Object to this" not in page.text
    assert browser.send("/object", {"form": page.seal, "policy": "openai/api", "reason": "r"}).status == 404
    token = scene.link(scene.acme, "see")
    body = json.dumps({"policy": "openai/api", "reason": "r"}).encode()
    headers = {"authorization": f"Bearer {token}", "content_type": "application/json"}
    assert scene.browser().ask("POST", "/objections.json", body, **headers).status == 403
    assert scene.store.read(lambda db: appeals.of_account(db, scene.acme)) == []


def test_a_key_opens_its_account_also_a_suspended_one(scene: Scene) -> None:
    scene.store.write(lambda db: accounts.set_status(db, None, scene.acme, "suspended")).result()
    browser = scene.browser()
    wrong = browser.send("/enter?lang=en", {"key": "sk-gp-wrong"})
    assert wrong.status == 401 and "not known" in wrong.text and "sk-gp-wrong" not in wrong.text
    assert browser.send("/enter?lang=en", {"key": scene.key}).headers["location"] == "/account?lang=en"
    assert "Your account is suspended" in browser.get("/account?lang=en").text
    (key,) = scene.store.read(lambda db: keys.page(db, None, scene.acme))
    scene.store.write(lambda db: keys.revoke(db, None, key.id)).result()
    assert browser.send("/enter", {"key": scene.key}).status == 401


def test_a_program_gets_the_same_as_json(scene: Scene) -> None:
    headers = {"authorization": f"Bearer {scene.key}"}
    found = scene.browser().get("/account.json", **headers).json
    (case,) = found["cases"]
    assert (found["account"], found["status"], case["ahead"], case["effective_at"]) == (
        "acme", "active", "block", BLOCK_FROM,
    )  # fmt: skip
    assert case["evidence"]["places"] == [["CN", 1540, 2], ["HK", 3, 1]]
    body = json.dumps({"policy": "openai/api", "reason": "we travelled"}).encode()
    json_headers = headers | {"content_type": "application/json"}
    made = scene.browser().ask("POST", "/objections.json", body, **json_headers).json
    assert (made["state"], made["reason"]) == ("received", "we travelled")
    again = scene.browser().ask("POST", "/objections.json", body, **json_headers)
    assert again.status == 409, "one at a time"
    path = f"/objections/{made['id']}"
    assert scene.browser().get(f"{path}.json", **headers).json == made
    assert scene.browser().ask("POST", f"{path}/withdraw.json", None, **headers).json["state"] == "withdrawn"
    assert scene.browser(scene.acme).get("/account.json").status == 401, "a browser's cookie is no leave for programs"


@pytest.mark.parametrize(
    ("fields", "headers", "status"),
    [
        ({"form": ""}, {}, 403),
        ({"form": "x" * 43}, {}, 403),
        ({}, {"origin": "https://evil.example"}, 403),
        ({}, {"origin": "null"}, 403),
        ({}, {"content_type": "text/plain"}, 400),
        ({"reason": "x" * 4001}, {}, 413),
        ({"reason": "x" * 70_000}, {}, 413),
        ({"reason": "  "}, {}, 422),
        ({"policy": "another"}, {}, 404),
    ],
)
def test_what_a_form_may_not(scene: Scene, fields: dict[str, str], headers: dict[str, str], status: int) -> None:
    browser = scene.browser(scene.acme)
    sent = {"form": browser.get("/object").seal, "policy": "openai/api", "reason": "r"} | fields
    assert browser.send("/object", sent, **headers).status == status
    assert scene.store.read(lambda db: appeals.of_account(db, scene.acme)) == []


def test_a_seal_is_of_its_own_browser(scene: Scene) -> None:
    """What another page of ours was given is no leave here."""
    other = scene.browser(scene.globex).get("/account").seal
    sent = {"form": other, "policy": "openai/api", "reason": "r"}
    assert scene.browser(scene.acme).send("/object", sent).status == 403


def test_each_answer_forbids_scripts_frames_and_caches(scene: Scene) -> None:
    browser = scene.browser(scene.acme)
    for path in ("/account", "/object", "/nowhere", "/enter/wrong", "/", "/style.css", "/account.json"):
        reply = browser.get(path)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert "<script" not in reply.text and "style=" not in reply.text and "onclick" not in reply.text
        assert reply.headers["cache-control"] == ("max-age=3600" if path == "/style.css" else "no-store")
        assert reply.headers["referrer-policy"] == "same-origin"


def test_whoever_asks_too_often_waits(scene: Scene) -> None:
    browser = scene.browser()
    codes = [browser.send("/enter", {"key": f"sk-gp-{n}"}).status for n in range(limits.KEYS.most + 1)]
    assert codes[:-1] == [401] * limits.KEYS.most and codes[-1] == 429
    assert browser.send("/enter", {"key": scene.key}).status == 429, "also with the right one"
    scene.clock.turn(seconds=limits.KEYS.seconds)
    assert browser.send("/enter", {"key": scene.key}).status == 303
    for _ in range(limits.PAGES.most):
        reply = browser.get("/account")
    assert reply.status == 429 and 0 < int(reply.headers["retry-after"]) <= limits.PAGES.seconds


def test_neither_link_nor_key_is_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    link = scene.link(scene.acme)
    browser = scene.browser()
    browser.get(f"/enter/{link}")
    browser.send("/enter", {"key": scene.key})
    browser.get("/account")
    assert link not in caplog.text and scene.key not in caplog.text


def test_the_day_comes(scene: Scene) -> None:
    turn(scene, BLOCK_FROM)
    page = scene.browser(scene.acme).get("/account?lang=en").text
    assert "Since January 15, 2027" in page and "are refused" in page
    turn(scene, BLOCK_FROM + 90 * DAY)
    assert "What we told you" in scene.browser(scene.acme).get("/account?lang=en").text


def test_links_in_letters_lead_here(scene: Scene) -> None:
    status, appeal = links.pages(scene.store.secret, scene.site, scene.acme, scene.clock())
    browser = scene.browser()
    assert browser.get(appeal.removeprefix(scene.site)).headers["location"] == "/object"
    assert "提出异议" in browser.get("/object").text
    assert browser.get(status.removeprefix(scene.site)).headers["location"] == "/account"


def test_it_answers_under_its_own_name_alone(scene: Scene) -> None:
    reply = scene.browser().get("/", host="evil.example")
    assert reply.status in {400, 403, 421} and "form" not in reply.text


def test_what_is_lifted_for_a_time_says_what_comes_then(scene: Scene) -> None:
    wanted = Wanted(account=scene.acme, policy="openai/api", reason="contract", ends=BLOCK_FROM - DAY)
    scene.store.write(lambda db: exceptions.put(db, wanted, scene.clock())).result()
    page = scene.browser(scene.acme).get("/account?lang=en").text
    assert "lifted for your account until January 14, 2027" in page and "From January 15, 2027" in page
    (lifted,) = scene.store.read(lambda db: exceptions.of_account(db, scene.acme))
    scene.store.write(lambda db: exceptions.review(db, lifted.id, scene.clock(), ends=BLOCK_FROM + DAY)).result()
    page = scene.browser(scene.acme).get("/account?lang=en").text
    assert "lifted for your account until January 16, 2027" in page and "will be refused" not in page
