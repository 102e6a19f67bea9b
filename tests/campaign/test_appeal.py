"""From a refusal to the reinstatement, an exception that ends, and a wrong place that is corrected: what the account is
answered by real gates, what it is written by a real server, and that all of it stands in the audit."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.app.turned import Said, asgi, until
from tests.campaign.scene import PLACES, Operator, Person, operating, text_of
from tests.campaign.test_river import JUNE
from tests.post.relaying import Mailbox

from gapura.store import audit, chain, dossier, facts

SITE = "https://notice.operator.example"
LIST = b"""
[[policies]]
pack = "openai/api"
name = "openai/api"

[policies.appeals]
interim = true
days = 10
"""
Story = Callable[[Operator], Awaitable[None]]


def run(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch, story: Story, **settings: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

    async def main() -> None:
        async with operating(tmp_path, "2024-06-20T12:00:00+08:00", Mailbox(), **settings) as it:
            await story(it)

    asyncio.run(main())


class Pages:
    """The account's own pages, asked without a socket; a browser that keeps its cookie."""

    def __init__(self, it: Operator) -> None:
        self._app, self._cookie = it.it.keeper.portal(), ""

    async def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> Said:
        body = urlencode(fields).encode() if fields is not None else None
        kind = {"content_type": "application/x-www-form-urlencoded"} if fields is not None else {}
        said = await asgi(self._app, method, path, body, host="notice.operator.example", cookie=self._cookie, **kind)
        if found := said.headers.get("set-cookie"):
            self._cookie = found.partition(";")[0]
        return said

    async def object(self, link: str, reason: str) -> str:
        """By the link in a letter; where its objection is."""
        parts = urlsplit(link)
        assert f"{parts.scheme}://{parts.netloc}" == SITE
        assert (await self.ask("GET", parts.path)).headers["location"] == "/object"
        form = (await self.ask("GET", "/object")).body.decode()
        seal = re.search(r'name="form" value="([^"]+)"', form)
        assert seal and "中国" in form
        fields = {"form": seal[1], "policy": "openai/api", "reason": reason}
        return (await self.ask("POST", "/object", fields)).headers["location"]


async def begun(it: Operator, document: str = JUNE) -> Person:
    """An account in China, told of 9 July in Chinese, a fortnight before."""
    one = {
        "external_id": "acme",
        "language": "zh-Hans",
        "zone": "Asia/Shanghai",
        "contacts": {"technical": "t@a.example"},
    }
    (acme,) = await it.people([one])
    nothing = await it.api("POST", "/policies/versions?reason=as+it+was", b"policies = []")
    await it.it.activate(nothing["version"]["id"], "as it was")
    assert (await it.it.chat(PLACES["CN"], acme.key)).effect == "allow"
    await it.settled()
    version = (await it.api("POST", "/policies/versions?reason=the+list", LIST))["version"]["id"]
    await it.approved("june-2024", document.format(version=version))
    await it.api("POST", "/campaigns/june-2024/start", {"confirm": "june-2024", "reason": "now"})
    await it.days("2024-06-26T12:00:00+08:00")
    return acme


async def heard(it: Operator) -> None:
    """Both gates know of each account what the keeper knows."""
    keeper, gates = it.it.keeper, it.it.gates
    await until(
        lambda: all(gate._directory is not None and gate._directory.seq >= keeper.telling.seq for gate in gates)
    )


async def entries(it: Operator) -> list[audit.Entry]:
    return await asyncio.to_thread(it.it.keeper.store.read, lambda db: audit.entries(db, 0, 1000))


async def proven(it: Operator, account: str) -> dossier.Dossier:
    """Its evidence, sound in an export of the whole audit."""
    it.it.clocks[0].turn(seconds=61)
    await it.settled()
    store = it.it.keeper.store
    found = store.read(lambda db: dossier.dossier(db, store.secret, account, store.clock()))
    export = store.read(lambda db: list(audit.lines(db, store.secret, store.clock())))
    assert dossier.faults(found, export) == []
    assert found.problem == "" and store.read(facts.verify) is None
    assert chain.verify(export).entries == found.seq
    return found


async def judged(it: Operator, account: str) -> None:
    """All of it stands in the account's evidence, which is sound."""
    found = await proven(it, account)
    done = [entry.line.action for entry in found.entries if entry.line.action.startswith(("appeal", "exception"))]
    heard = ["appeal.file", "appeal.take", "appeal.deny", "appeal.file", "appeal.take", "appeal.grant"]
    # The first to end was the campaign's own, which kept the date from it until it counted as told.
    assert done == ["exception.expire", *heard, "exception.expire"]
    assert {one.line.actor for one in found.entries if one.line.action == "appeal.file"} == {account}
    assert [one.appeal.state for one in found.appeals] == ["denied", "granted"]
    assert [letter.state for one in found.appeals for letter in one.letters] == ["sent"] * 4
    assert {one.fact.kind for one in found.facts} == {"notice", "decision", "exception"}
    blocked = [json.loads(one.fact.body) for one in found.facts if one.fact.kind == "decision"]
    assert {body["effect"] for body in blocked} == {"warn", "block"}


def test_an_objection_from_the_refusal_to_the_reinstatement(
    tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(it: Operator) -> None:
        acme = await begun(it)
        (notice,) = it.letters()
        assert (await it.it.chat(PLACES["CN"], acme.key)).effect == "warn"
        await it.turn("2024-07-09T00:00:00+08:00")
        refused = await it.it.chat(PLACES["CN"], acme.key)
        assert refused.status == 403 and b"unsupported_country_region_territory" in refused.body

        form = re.search(rf"{SITE}/enter/\S+/object", text_of(notice))
        assert form, text_of(notice)
        pages = Pages(it)
        where = await pages.object(form[0], "我们的服务器在新加坡")
        await heard(it)
        for gate in (0, 1):
            waiting = await it.it.chat(PLACES["CN"], acme.key, gate=gate)
            assert (waiting.status, waiting.effect) == (200, "allow"), "until it is decided"
        await it.settled()
        receipt = it.letters()[-1]
        assert "我们已收到您关于" in str(receipt["Subject"]) and "2024年7月19日" in text_of(receipt)

        name = where.rpartition("/")[2]
        token = await it.other()
        await it.api("POST", f"/appeals/{name}/take", {}, token)
        denied = {"verdict": "deny", "reason": "请说明服务器的地址"}
        await it.api("POST", f"/appeals/{name}/decide", denied, token)
        await heard(it)
        assert (await it.it.chat(PLACES["CN"], acme.key)).status == 403, "what was lifted in the meantime is over"
        await it.settled()
        assert "未被接受" in str(it.letters()[-1]["Subject"]) and "请说明服务器的地址" in text_of(it.letters()[-1])

        await it.turn("2024-07-09T00:30:00+08:00")
        again = (await pages.object(form[0], "服务器：ap-southeast-1")).rpartition("/")[2]
        await it.api("POST", f"/appeals/{again}/take", {}, token)
        granted = {"verdict": "grant", "reason": "已核实", "ends": "2024-08-09T00:00:00+08:00"}
        await it.api("POST", f"/appeals/{again}/decide", granted, token)
        await heard(it)
        for gate in (0, 1):
            assert (await it.it.chat(PLACES["CN"], acme.key, gate=gate)).effect == "allow"
        await it.settled()
        subjects = [str(one["Subject"]) for one in it.letters()]
        assert sum("已被接受" in subject for subject in subjects) == 1
        assert len({one["Message-ID"] for one in it.letters()}) == len(subjects), "none twice"
        assert "已核实" in (await pages.ask("GET", f"/objections/{again}")).body.decode()

        await it.turn("2024-08-08T23:59:59+08:00")
        assert (await it.it.chat(PLACES["CN"], acme.key)).effect == "allow"
        await it.turn("2024-08-09T00:00:00+08:00")
        for gate in (0, 1):
            assert (await it.it.chat(PLACES["CN"], acme.key, gate=gate)).status == 403, "from the instant on"
        await it.settled()
        (due,) = (await it.api("GET", "/exceptions?due=true"))["items"]
        assert (due["state"], due["external_id"]) == ("expired", "acme")

        await judged(it, acme.account)

    run(tmp_path, runtime, monkeypatch, story, GAPURA_PUBLIC_URL=SITE)


def test_somebody_told_in_error_is_released_by_a_correction_and_told_so(
    tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(it: Operator) -> None:
        acme = await begun(it)
        await heard(it)
        warned = await it.it.chat(PLACES["CN"], acme.key)
        assert warned.effect == "warn" and 'campaign="june-2024"' in warned.headers["gapura-notice"], warned.headers
        correction = {
            "prefix": "114.114.114.0/24", "territory": "SG", "reason": "the provider moved it", "owner": "net@x",
            "ends": it.it.clocks[0]() + 400 * 86_400_000_000,
        }  # fmt: skip
        await it.api("POST", "/atlas/corrections", correction)
        await it.it.renewed()
        assert (await it.it.chat(PLACES["CN"], acme.key)).effect == "allow"
        await it.days("2024-06-29T12:00:00+08:00")
        corrected = it.letters()[-1]
        assert "更正" in str(corrected["Subject"]) and str(corrected["To"]).find("t@a.example") >= 0
        await heard(it)
        served = await it.it.chat(PLACES["CN"], acme.key)
        assert "gapura-notice" not in served.headers, "it is told nothing any more"
        await it.days("2024-07-10T12:00:00+08:00")
        assert (await it.it.chat(PLACES["CN"], acme.key)).effect == "allow"
        assert [("更正" in str(one["Subject"])) for one in it.letters()] == [False, True], "and nothing after it"
        found = await proven(it, acme.account)
        states: list[Any] = [(one.kind, one.state) for one in found.notices if one.state == "delivered"]
        assert states == [("notice", "delivered"), ("correction", "delivered")]
        assert "atlas.correct" in {one.action for one in await entries(it)}

    run(tmp_path, runtime, monkeypatch, story, GAPURA_PUBLIC_URL=SITE)


BY_ACCOUNT = (
    JUNE
    + """
[[acts]]
effect = "suspend"
by = "account"
"""
)


async def lifted_and_put_back(it: Operator, acme: Person, filed: dict[str, str]) -> None:
    """What the campaign did to it is put off until the objection is decided, and done again at once."""
    name = (await it.api("POST", "/appeals", filed))["appeal"]["id"]
    await it.settled()
    await heard(it)
    for gate in (0, 1):
        assert (await it.it.chat(PLACES["CN"], acme.key, gate=gate)).effect == "allow"
    await it.days("2024-07-15T12:00:00+08:00")
    assert (await it.api("GET", f"/accounts/{acme.account}"))["status"] == "active", "no day changes that"
    await it.api("POST", f"/appeals/{name}/withdraw", {})
    await it.settled()
    await heard(it)
    assert (await it.it.chat(PLACES["SG"], acme.key)).status == 403
    told = [one for one in await entries(it) if one.action == "account.status"]
    assert [(one.actor, (one.reason or "").partition(":")[0]) for one in told] == [
        ("system", "suspended"),
        ("system", "active"),
        ("system", "suspended"),
    ]
    assert "while its objection is open" in (told[1].reason or "")


async def not_ours(it: Operator, acme: Person, filed: dict[str, str]) -> None:
    """A person has suspended it since, for another reason: no objection to a policy lifts that."""
    for status in ("active", "suspended"):
        await it.api("POST", f"/accounts/{acme.account}/status", {"status": status, "reason": "fraud"})
    await it.api("POST", "/appeals", filed)
    await it.settled()
    assert (await it.api("GET", f"/accounts/{acme.account}"))["status"] == "suspended"


def test_nobody_is_suspended_while_its_objection_is_open(
    tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(it: Operator) -> None:
        acme = await begun(it, BY_ACCOUNT)
        filed = {"account": acme.account, "policy": "openai/api", "reason": "a trip"}
        name = (await it.api("POST", "/appeals", filed))["appeal"]["id"]
        await it.days("2024-07-11T12:00:00+08:00")
        assert (await it.api("GET", f"/accounts/{acme.account}"))["status"] == "active"
        assert (await it.it.chat(PLACES["CN"], acme.key)).effect == "allow"
        await it.api("POST", f"/appeals/{name}/take", {})
        await it.api("POST", f"/appeals/{name}/decide", {"verdict": "deny", "reason": "it was none"})
        await it.days("2024-07-13T12:00:00+08:00")
        assert (await it.api("GET", f"/accounts/{acme.account}"))["status"] == "suspended"
        refused = await it.it.chat(PLACES["SG"], acme.key)
        assert refused.status == 403 and b"account_suspended" in refused.body
        await lifted_and_put_back(it, acme, filed)
        await not_ours(it, acme, filed)

    run(tmp_path, runtime, monkeypatch, story)
