"""A notice that comes back: by the maildir and by hand, once, and only if it names one of ours."""

import asyncio
import hashlib
import json
import mailbox
from pathlib import Path
from typing import Any

import pytest
from tests.app.turned import gateway
from tests.campaign.scene import FAST, PLACES, Operator
from tests.campaign.test_river import JUNE, begun
from tests.post.relaying import Mailbox, running
from tests.post.test_returns import IDENTITY, sample

from gapura.store import facts
from gapura.terms.letter import token

START = "2024-06-20T12:00:00+08:00"
CONTACTS = {"technical": "t@a.example", "billing": "b@a.example"}


def about(name: str, message_id: str) -> bytes:
    """A sample, about this letter."""
    return sample(name).replace(token(IDENTITY).encode(), token(message_id).encode())


def run(tmp_path: Path, story: Any) -> None:
    box = tmp_path / "returned"
    mailbox.Maildir(box, create=True).close()
    mail = {"from": "Notices <notices@operator.example>", "relay": FAST, "returns": {"maildir": str(box)}}

    async def main() -> None:
        taken = Mailbox()
        async with running(taken) as port:
            url = f"smtp://127.0.0.1:{port}?tls=none"
            async with gateway(tmp_path, START, {"mail": mail}, GAPURA_SMTP_URL=url) as it:
                await story(Operator(it, taken), mailbox.Maildir(box))

    asyncio.run(main())


@pytest.fixture(autouse=True)
def _(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)


async def written(it: Operator) -> list[tuple[str, str]]:
    """Each notice that went out: to whom, and its Message-ID."""
    return [(one["To"].addresses[0].addr_spec, str(one["Message-ID"])) for one in it.letters()]


async def started(it: Operator, document: str = JUNE) -> str:
    """The Message-ID of the first notice, which went to the first contact."""
    acme = await begun(it, document)
    await it.api("POST", "/accounts", {"external_id": acme.external_id, "contacts": CONTACTS})
    await it.api("POST", "/campaigns/june-2024/start", {"confirm": "june-2024", "reason": "now"})
    await it.days("2024-06-25T12:00:00+08:00")
    ((to, identity),) = await written(it)
    assert to == CONTACTS["technical"]
    return identity


async def later(it: Operator, seconds: float = 61) -> None:
    for clock in it.it.clocks:
        clock.turn(seconds=seconds)
    await it.settled()
    await it.settled()


def test_a_bounce_sends_it_to_the_next_contact_and_only_there_from_then_on(tmp_path: Path) -> None:
    async def story(it: Operator, box: mailbox.Maildir) -> None:
        first = await started(it)
        raw = about("postfix-unknown-user", first)
        box.add(raw)
        await later(it)
        (_, _), (to, second) = await written(it)
        assert to == CONTACTS["billing"] and second != first
        assert len(box) == 1 and list((tmp_path / "returned" / "new").iterdir()) == []
        rows = (await it.api("GET", "/mail/returned"))["items"]
        assert [(one["kind"], one["status"], one["delivery"] > 0) for one in rows] == [("hard", "5.1.1", True)]
        (address,) = (await it.api("GET", "/mail/suppressed"))["items"]
        assert address["address"] == CONTACTS["technical"]
        assert await it.api("POST", "/mail/returned", raw) == {"kinds": ["hard"], "moved": 0}
        await it.days("2024-07-03T12:00:00+08:00")
        assert [to for to, _ in await written(it)][1:] == [CONTACTS["billing"]] * 2
        lifted = await it.api("POST", f"/mail/suppressed/{address['id']}/lift", {"reason": "it is back"})
        assert lifted == {"id": address["id"]} and (await it.api("GET", "/mail/suppressed"))["items"] == []

    run(tmp_path, story)


def test_what_names_no_notice_moves_nothing(tmp_path: Path) -> None:
    async def story(it: Operator, box: mailbox.Maildir) -> None:
        first = await started(it)
        for name in ("postfix-unknown-user", "complaint", "chinese-prose"):
            box.add(sample(name))  # in due form, and about a letter that was never written
        for name in ("out-of-office", "postfix-delayed", "postfix-success"):
            box.add(about(name, first))
        box.add(b"\xff\xfe nonsense")
        await later(it)
        rows = (await it.api("GET", "/mail/returned"))["items"]
        assert len(rows) == 7 and sum(one["delivery"] > 0 for one in rows) == 3
        assert [to for to, _ in await written(it)] == [CONTACTS["technical"]]
        assert (await it.api("GET", "/mail/suppressed"))["items"] == []

    run(tmp_path, story)


def test_programs_are_told_once_whomever_the_notice_goes_to(tmp_path: Path) -> None:
    async def story(it: Operator, box: mailbox.Maildir) -> None:
        hook = {"url": "https://hooks.example.com/gapura", "topics": ["campaign.*"]}
        await it.api("POST", "/webhooks", hook)
        first = await started(it, JUNE + 'channels = ["mail", "header", "webhook"]\n')
        box.add(about("postfix-unknown-user", first))
        await later(it)
        assert len(await written(it)) == 2
        ((topic, account, payload),) = it.it.keeper.store.read(
            lambda db: db.execute("SELECT topic, account, payload FROM event WHERE topic LIKE 'campaign.%'").fetchall()
        )
        said = json.loads(str(payload))
        assert (topic, said["type"], said["account"]) == ("campaign.notice", "campaign.notice", account)
        told = said["data"]
        assert (told["id"], told["external_id"], told["stage"]) == (token(first), "acme", "T-14")
        assert (told["effective_at"], told["effect"]) == ("2024-07-08T16:00:00Z", "block")
        assert told["error_code"] == "unsupported_country_region_territory"
        assert told["evidence"]["places"][0]["territory"] == "CN"
        assert not any(address in str(payload) for address in CONTACTS.values())

    run(tmp_path, story)


class Endpoint:
    """A webhook on a real socket: it answers these statuses, then 204."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.bodies = list(codes), list[bytes]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.bodies.append(await reader.readexactly(length))
        code = self.codes.pop(0) if self.codes else 204
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % code)
        await writer.drain()
        writer.close()


def test_a_webhook_counts_as_told_where_the_campaign_says_so(tmp_path: Path) -> None:
    """Its answer is kept with the hash of what it was posted; without one, nobody is told."""

    async def story(it: Operator, _: mailbox.Maildir) -> None:
        endpoint = Endpoint(503)
        server = await asyncio.start_server(endpoint, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        hook = (await it.api("POST", "/webhooks", {"url": url, "topics": ["campaign.*"]}))["webhook"]["id"]
        ways = 'channels = ["header", "webhook"]\ncounts_as_told = ["webhook"]\n'
        acme = await begun(it, JUNE + ways)
        await it.api("POST", "/campaigns/june-2024/start", {"confirm": "june-2024", "reason": "now"})
        await it.days("2024-06-24T12:00:00+08:00")
        await it.it.keeper.outbox.settle()
        assert len(endpoint.bodies) == 1 and (await people(it))["told"] == 0, "503 is no success"
        await later(it)
        await it.it.keeper.outbox.settle()
        assert (await people(it))["by"] == {f"webhook {hook}": 1} and it.letters() == []
        store = it.it.keeper.store
        proof = store.read(lambda db: [json.loads(one.fact.body) for one in facts.of_account(db, acme.account)])
        (took,) = [one for one in proof if one.get("webhook") == hook]
        assert took["sha256"] == hashlib.sha256(endpoint.bodies[1]).hexdigest() and took["code"] == 204
        page = (await it.ask("GET", f"/accounts/{acme.account}/evidence.html")).body.decode()
        assert f"taken by the endpoint <code>{hook}</code>" in page and took["sha256"] in page
        await it.turn("2024-07-09T00:00:00+08:00")
        assert (await it.it.chat(PLACES["CN"], acme.key)).status == 403
        server.close()
        await server.wait_closed()

    run(tmp_path, story)


async def people(it: Operator) -> Any:
    return (await it.api("GET", "/campaigns/june-2024"))["people"]


def test_a_complaint_is_noted_at_the_notice_which_did_arrive(tmp_path: Path) -> None:
    async def story(it: Operator, box: mailbox.Maildir) -> None:
        first = await started(it)
        assert await it.api("POST", "/mail/returned", about("complaint", first)) == {"kinds": ["complaint"], "moved": 1}
        (account,) = (await it.api("GET", "/campaigns/june-2024/accounts"))["items"]
        assert account["notices"][0]["state"] == "delivered" and account["notices"][0]["complained_at"] > 0
        assert len(await written(it)) == 1

    run(tmp_path, story)


def test_a_maildir_that_is_none_is_told_and_taken_up_when_it_is_there(tmp_path: Path) -> None:
    async def story(it: Operator, box: mailbox.Maildir) -> None:
        first = await started(it)
        new = tmp_path / "returned" / "new"
        new.rename(tmp_path / "away")
        await later(it)
        assert any("mail does not work" in one for one in it.it.keeper.status().problems)
        (tmp_path / "away").rename(new)
        box.add(about("postfix-unknown-user", first))
        await later(it)
        assert not any("mail does not work" in one for one in it.it.keeper.status().problems)
        assert len(await written(it)) == 2

    run(tmp_path, story)
