"""What else a campaign does: pause, recall, suspend, tell by header alone, take a back-test's word."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.campaign.scene import PLACES, Operator, Person, text_of
from tests.campaign.test_river import JUNE, begun, run

from gapura.clock import instant

SUSPENDS = (
    JUNE
    + """
acts = [{{ effect = "block" }}, {{ effect = "suspend", by = "account", after_days = 3 }}]
"""
)


async def started(it: Operator, document: str = JUNE) -> Person:
    acme = await begun(it, document)
    await it.api("POST", "/campaigns/june-2024/start", {"confirm": "june-2024", "reason": "now"})
    await it.settled()
    return acme


async def effect(it: Operator, acme: Person, place: str = "CN") -> str:
    said = await it.it.chat(PLACES[place], acme.key)
    return said.effect if "gapura-decision" in said.headers else str(said.status)


def meanwhile(it: Operator, acme: Person, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The next time that a survey looks up a place, another request comes in and is counted; what became of it."""
    keeper, loop, late = it.it.keeper, asyncio.get_running_loop(), list[str]()
    locate = keeper._around.locate

    async def comes() -> str:
        said = await effect(it, acme)
        await it.counted()
        return said

    def looked_up(address: str) -> str:
        if not late:
            late.append(asyncio.run_coroutine_threadsafe(comes(), loop).result(60))
        return locate(address)

    monkeypatch.setattr(keeper._around, "locate", looked_up)
    return late


def test_a_pause_hits_nobody(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(it: Operator) -> None:
        acme = await started(it)
        await it.api("POST", "/campaigns/june-2024/pause", {"reason": "counsel looks at it"})
        await it.days("2024-07-10T12:00:00+08:00")
        assert it.letters() == [] and await effect(it, acme) == "warn", "it was not told, and the date is over"
        rehearsed = await it.api("POST", "/campaigns/june-2024/resume", {})
        assert rehearsed["dry_run"] and rehearsed["confirm"] == "june-2024"
        await it.api("POST", "/campaigns/june-2024/resume", {"confirm": "june-2024", "reason": "sound"})
        await it.settled()
        (first,) = it.letters()
        assert "2024年7月24日" in text_of(first).replace(" ", ""), "its own day is a fortnight from now"
        await it.days("2024-07-24T11:59:00+08:00")
        assert await effect(it, acme) == "warn"
        await it.days("2024-07-24T13:00:00+08:00")
        assert await effect(it, acme) == "block"

    run(tmp_path, runtime, monkeypatch, story)


def test_what_is_recalled_is_undone_and_told(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(it: Operator) -> None:
        acme = await started(it)
        await it.days("2024-07-09T12:00:00+08:00")
        assert await effect(it, acme) == "block"
        before = len(it.letters())
        nameless = await it.ask("POST", "/campaigns/june-2024/recall", {"confirm": "june-2024"})
        assert nameless.status == 422 and b"reason" in nameless.body
        done = await it.api(
            "POST", "/campaigns/june-2024/recall", {"confirm": "june-2024", "reason": "the list was withdrawn"}
        )
        assert (done["campaign"]["state"], done["undone"]) == ("recalled", 1)
        await it.settled()
        assert await effect(it, acme) == "allow"
        assert len(it.letters()) == before + 1 and "the list was withdrawn" in text_of(it.letters()[-1])
        await it.days("2024-07-20T12:00:00+08:00")
        assert len(it.letters()) == before + 1, "and nothing after that"

    run(tmp_path, runtime, monkeypatch, story)


def test_an_account_is_suspended_where_it_says_so(
    tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(it: Operator) -> None:
        acme = await started(it, SUSPENDS)
        await it.days("2024-07-12T12:00:00+08:00")
        said = await it.it.chat(PLACES["SG"], acme.key)
        assert (said.status, json.loads(said.body)["error"]["code"]) == (403, "account_suspended")
        entries = (await it.api("GET", "/audit?limit=1000"))["items"]
        (why,) = [one["reason"] for one in entries if one["action"] == "account.status"]
        assert why.startswith("suspended: campaign june-2024")
        await it.api("POST", "/campaigns/june-2024/recall", {"confirm": "june-2024", "reason": "a mistake"})
        await it.settled()
        assert await effect(it, acme, "SG") == "allow"

    run(tmp_path, runtime, monkeypatch, story)


def test_released_as_soon_as_data_or_policy_say_so(
    tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(it: Operator) -> None:
        acme = await started(it)
        await it.days("2024-06-25T12:00:00+08:00")
        late = meanwhile(it, acme, monkeypatch)
        wrong = {"prefix": f"{PLACES['CN']}/32", "territory": "Portugal", "reason": "leased", "owner": "ops"}
        await it.api("POST", "/atlas/corrections", wrong | {"ends": instant("2024-12-31T00:00:00Z")})
        await it.it.renewed()
        await it.settled()
        assert "2024" in text_of(it.letters()[-1]) and len(it.letters()) == 2
        (one,) = (await it.api("GET", "/campaigns/june-2024/accounts"))["items"]
        assert (one["state"], one["notices"][-1]["kind"]) == ("released", "correction")
        assert "has been corrected" in one["reason"] and await effect(it, acme) == "allow"
        assert late == ["allow"], "and a request that came during the survey does not put it off"
        page = await it.ask("GET", "/campaigns/june-2024/report.html")
        html = page.body.decode()
        assert "<script" not in html and "june-2024" in html and '<td class="number">1' in html
        assert page.headers["content-security-policy"].startswith("default-src 'none'")

    run(tmp_path, runtime, monkeypatch, story)


def test_told_by_its_answers_alone(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(it: Operator) -> None:
        it.mailbox.script["RCPT"] = lambda _, __, envelope: (
            None if envelope.rcpt_tos[-1] == "ops@operator.example" else "550 5.1.1 no such user"
        )
        acme = await started(it, JUNE + "fallback = {{ header_days = 3 }}\n")
        await it.days("2024-06-24T12:00:00+08:00")
        for number in range(3):
            assert await effect(it, acme) == "warn"
            await it.days(f"2024-06-{25 + number}T12:00:00+08:00")
        people = (await it.api("GET", "/campaigns/june-2024"))["people"]
        assert people["by"] == {"header": 1}, people
        assert await effect(it, acme) == "warn"
        await it.days("2024-07-12T12:00:00+08:00")
        assert await effect(it, acme) == "block" and it.letters() == []

    run(tmp_path, runtime, monkeypatch, story)


def test_whoever_cannot_be_told_is_not_blocked(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(it: Operator) -> None:
        it.mailbox.script["RCPT"] = lambda _, __, envelope: (
            None if envelope.rcpt_tos[-1] == "ops@operator.example" else "550 5.1.1 no such user"
        )
        acme = await started(it)
        await it.days("2024-08-01T12:00:00+08:00")
        assert await effect(it, acme) == "warn"

    run(tmp_path, runtime, monkeypatch, story)


def row(account: str, **more: Any) -> bytes:
    said = {"account": account, "days": 7, "hit_requests": 9, "first": 1, "last": 2, "territories": {"CN": 9}} | more
    return json.dumps(said).encode() + b"\n"


def test_whom_a_back_test_names(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(it: Operator) -> None:
        await begun(it)
        told = await it.ask("POST", "/campaigns/june-2024/audience", row("acme"))
        assert told.status == 409 and b"source" in told.body
        version = (await it.api("GET", "/campaigns/june-2024"))["spec"]["version"]
        document = (JUNE + '[audience]\nsource = "backtest"\n').format(version=version)
        changed = await it.api("POST", "/campaigns", document.encode())
        assert changed["campaign"]["state"] == "draft" and changed["campaign"]["approved_by"] == ""
        lines = row("acme") + row("acme", hit_requests=1, territories={"HK": 1}) + row("nobody")
        lines += row("traveller", standing="traveller")
        assert await it.api("POST", "/campaigns/june-2024/audience", lines) == {
            "accounts": 1, "others": 1, "unknown": ["nobody"],
        }  # fmt: skip
        bad = await it.ask("POST", "/campaigns/june-2024/audience", row("acme") + b'{"account": 1}')
        assert bad.status == 400 and b"line 2" in bad.body
        preview = await it.api("POST", "/campaigns/june-2024/preview", {"samples": 1})
        assert (preview["people"], preview["requests"]) == (1, 10)
        await it.approved("june-2024", document)
        await it.api("POST", "/campaigns/june-2024/start", {"confirm": "june-2024", "reason": "now"})
        await it.settled()
        account = (await it.api("GET", "/accounts?external_id=acme"))["items"][0]["id"]
        objection = {"account": account, "policy": "openai/api", "reason": "we left"}
        filed = await it.api("POST", "/appeals", objection)
        kept = (await it.api("GET", f"/appeals/{filed['appeal']['id']}"))["texts"]["evidence"]
        assert kept["requests"] == 10, "what its letter tells is what it was shown"
        pack = await it.api("GET", f"/accounts/{account}/evidence")
        assert [seen["requests"] for seen in pack["listed"].values()] == [10], (
            "and what may have to be shown to a court"
        )
        page = await it.ask("GET", f"/accounts/{account}/evidence.html", None, await it.other("auditor"))
        assert b"By the back-test of access logs" in page.body and b": 10 requests on" in page.body

    run(tmp_path, runtime, monkeypatch, story)
