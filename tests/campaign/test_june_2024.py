"""June and July 2024 over 5,000 accounts: who was told what, when, in which words, and what their requests got.

A real mail server, two gates and a keeper under a turned clock.  The judge of letters is the mail server's own log.
"""

import asyncio
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.campaign.scene import PLACES, Operator, Person, operating
from tests.post.relaying import Mailbox

from gapura.clock import instant

PEOPLE = int(os.environ.get("JUNE_PEOPLE", "5000"))
LISBON = "202.45.84.58"
LIST = b"""
[[policies]]
pack = "openai/api"
name = "openai/api"
"""
JUNE = """
name = "june-2024"
policy = "openai/api"
version = "{version}"
effective_at = 2024-07-09T00:00:00
zone = "Asia/Shanghai"
plan = ["T-14", "T-7", "T-1", "T", "T+7"]
fallback = {{ header_days = 3 }}
reason = "notice of 24 June"

[audience]
days = 60
"""
STAGES = ["T-14", "T-7", "T-1", "T", "T+7"]
# What an account is, by its number: twenty kinds in turn.
KINDS = (
    *("mainland",) * 10, "hongkong", "hongkong", "jakarta", "jakarta", "singapore", "singapore",
    "traveller", "second", "nobody", "lisbon",
)  # fmt: skip
SEEN = {
    "mainland": ("CN",), "hongkong": ("HK",), "jakarta": ("CN2",), "singapore": ("SG",), "traveller": ("CN", "SG"),
    "second": ("CN",), "nobody": ("CN",), "lisbon": ("LISBON",),
}  # fmt: skip
VOICES = {"mainland": "zh-Hans", "jakarta": "id", "second": "zh-Hans", "nobody": "zh-Hans"}
ZONES = {
    "hongkong": "Asia/Hong_Kong",
    "jakarta": "Asia/Jakarta",
    "singapore": "Asia/Singapore",
    "lisbon": "Europe/Lisbon",
}
AFFECTED = ("mainland", "hongkong", "jakarta", "second", "nobody", "lisbon")


class Crowd:
    """The accounts, by kind."""

    def __init__(self, people: list[Person]) -> None:
        self.kind = {one.external_id: KINDS[int(one.external_id[1:]) % len(KINDS)] for one in people}
        self.by: dict[str, list[Person]] = defaultdict(list)
        for one in people:
            self.by[self.kind[one.external_id]].append(one)

    def one(self, kind: str, number: int = 0) -> Person:
        return self.by[kind][number]


def wanted(number: int) -> dict[str, Any]:
    kind, name = KINDS[number % len(KINDS)], f"a{number}"
    at = f"{name}.example"
    contacts = {"technical": f"gone@{at}" if kind in {"second", "nobody"} else f"tech@{at}"}
    if kind == "second":
        contacts["billing"] = f"billing@{at}"
    zone = ZONES.get(kind, "Asia/Shanghai")
    return {"external_id": name, "language": VOICES.get(kind, "en"), "zone": zone, "contacts": contacts}


@pytest.fixture
def mailbox() -> Mailbox:
    """Addresses that begin with `gone` are none there."""
    box = Mailbox()
    box.script["RCPT"] = lambda _, __, envelope: (
        "550 5.1.1 no such user" if envelope.rcpt_tos[-1].startswith("gone") else None
    )
    return box


@pytest.mark.timeout(900)
def test_the_story(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

    async def story() -> None:
        async with operating(tmp_path, "2024-06-20T12:00:00+08:00", mailbox) as it:
            crowd = await began(it)
            await approved(it)
            await warned(it, crowd)
            await released(it, crowd)
            late = await came_late(it)
            await blocked(it, crowd, late)
            await over(it, crowd, late)
            await judged(it, crowd, late)

    asyncio.run(story())


async def seen(it: Operator, person: Person, place: str) -> int:
    address = LISBON if place == "LISBON" else PLACES[place]
    return (await it.it.chat(address, person.key, gate=len(person.external_id) % 2)).status


async def began(it: Operator) -> Crowd:
    """20 June: everybody is served from everywhere."""
    nothing = await it.api("POST", "/policies/versions?reason=as+it+was", b"policies = []")
    await it.it.activate(nothing["version"]["id"], "as it was")
    people = await it.people([wanted(number) for number in range(PEOPLE)])
    crowd = Crowd(people)
    for batch in range(0, len(people), 50):
        asked = [
            seen(it, one, place) for one in people[batch : batch + 50] for place in SEEN[crowd.kind[one.external_id]]
        ]
        assert set(await asyncio.gather(*asked)) == {200}
    await it.settled()
    return crowd


async def approved(it: Operator) -> None:
    """The list takes effect on 9 July: the path from that sentence to a campaign that runs."""
    version = (await it.api("POST", "/policies/versions?reason=the+list", LIST))["version"]["id"]
    document = JUNE.format(version=version).encode()
    written = await it.api("POST", "/campaigns", document)
    assert not written["against"] and not [lint for lint in written["lints"] if lint["severity"] == "refuse"]
    early = await it.ask("POST", "/campaigns/june-2024/approve", {"confirm": "june-2024 0"}, await it.other())
    assert early.status == 409 and b"next is change or preview, and not approve" in early.body
    preview = await it.api("POST", "/campaigns/june-2024/preview", {"samples": 2})
    assert preview["people"] == sum(KINDS[n % 20] in AFFECTED for n in range(PEOPLE))
    assert all(sample["text"] and sample["html"] and not sample["problem"] for sample in preview["samples"])
    await it.api("POST", "/campaigns/june-2024/test", {"to": "ops@operator.example"})
    confirm = {"confirm": f"june-2024 {preview['people']}", "reason": "looked at"}
    own = await it.ask("POST", "/campaigns/june-2024/approve", confirm)
    assert own.status == 403 and b"another principal" in own.body
    wrong = await it.ask("POST", "/campaigns/june-2024/approve", {"confirm": "june-2024 1"}, await it.other())
    assert wrong.status == 422 and b"write 'june-2024" in wrong.body
    await it.api("POST", "/campaigns/june-2024/approve", confirm, await it.other())
    await it.turn("2024-06-21T10:00:00+08:00")
    assert (await it.api("POST", "/campaigns/june-2024/start", {}))["dry_run"] and it.taken() == []
    await it.api("POST", "/campaigns/june-2024/start", {"confirm": "june-2024", "reason": "as agreed"})
    await it.settled()
    assert it.taken() == []


async def warned(it: Operator, crowd: Crowd) -> None:
    """24 June: whoever is affected reads of it, in mail and in every answer."""
    await it.days("2024-06-24T23:59:00-07:00")
    firsts = it.taken()
    assert Counter(letter.to for letter in firsts).most_common(1)[0][1] == 1
    reached = [kind for kind in AFFECTED if kind != "nobody"]
    assert len(firsts) == sum(len(crowd.by[kind]) for kind in reached)
    speaks(it, crowd)
    for gate in (0, 1):
        answer = await it.it.chat(PLACES["CN"], crowd.one("mainland").key, gate=gate)
        assert (answer.status, answer.effect) == (200, "warn") and answer.headers["sunset"].startswith(
            "Mon, 08 Jul 2024"
        )
        assert 'campaign="june-2024"' in answer.headers["gapura-notice"]
        nobody = await it.it.chat(PLACES["CN"], crowd.one("nobody").key, gate=gate)
        assert (nobody.status, nobody.effect) == (200, "warn"), "it is told by its answers alone"
        assert (await it.it.chat(PLACES["SG"], crowd.one("singapore").key, gate=gate)).effect == "allow"


def speaks(it: Operator, crowd: Crowd) -> None:
    """Right people, right languages, evidence and dates."""
    (first,) = it.taken(f"@{crowd.one('mainland').external_id}.example")
    text = first.text
    assert (
        first.message["Content-Language"] == "zh-Hans"
        and "7月9日" in text.replace(" ", "")
        and "114.114.114.0/24" in text
    )
    assert crowd.one("mainland").key[:8] in text and "114.114.114.114" not in text
    (english,) = it.taken(f"@{crowd.one('hongkong').external_id}.example")
    assert "July 9, 2024" in english.text or "9 July 2024" in english.text
    assert "147.8.2.0/24" in english.text and "Hong Kong" in english.text
    (jakarta,) = it.taken(f"@{crowd.one('jakarta').external_id}.example")
    assert jakarta.message["Content-Language"] == "id" and "8 Juli 2024" in jakarta.text, (
        "by its own clock it is the 8th"
    )
    (second,) = it.taken(f"@{crowd.one('second').external_id}.example")
    assert second.to.startswith("billing@")


async def released(it: Operator, crowd: Crowd) -> None:
    """1 July: place data are corrected; a visit from Singapore; an exception.  Each is told of it once."""
    await it.days("2024-07-01T12:00:00+08:00")
    correction = {
        "prefix": f"{LISBON}/32", "territory": "Portugal", "reason": "leased to offices in Lisbon", "owner": "ops",
        "ends": instant("2024-12-31T00:00:00+08:00"),
    }  # fmt: skip
    await it.api("POST", "/atlas/corrections", correction)
    await it.it.renewed()
    visitor, spared = crowd.one("mainland", 1), crowd.one("mainland", 2)
    assert await seen(it, visitor, "SG") == 200
    granted = {
        "account": spared.account,
        "policy": "openai/api",
        "reason": "contract 4711",
        "confirm": spared.external_id,
    }
    await it.api("POST", "/exceptions", {name: value for name, value in granted.items() if name != "confirm"})
    await it.days("2024-07-02T15:00:00+08:00")
    for person in (*crowd.by["lisbon"], visitor, spared):
        last = it.taken(f"@{person.external_id}.example")[-1]
        assert last.message["Subject"] != it.taken(f"@{person.external_id}.example")[0].message["Subject"]
    shown = (await it.api("GET", "/campaigns/june-2024"))["people"]
    assert shown["released"] == len(crowd.by["lisbon"]) + 2


async def came_late(it: Operator) -> Person:
    """5 July: a customer who was not there before."""
    await it.days("2024-07-05T12:00:00+08:00")
    (late,) = await it.people([{**wanted(0), "external_id": "late", "contacts": {"technical": "tech@late.example"}}])
    assert await seen(it, late, "CN") == 200
    await it.days("2024-07-06T18:00:00+08:00")
    assert len(it.taken("@late.example")) == 1
    return late


async def blocked(it: Operator, crowd: Crowd, late: Person) -> None:
    """The last instant of 8 July, and the first of the 9th: by each gate's own clock."""
    for _ in range(3):
        assert await seen(it, crowd.one("nobody"), "CN") == 200
    await it.days("2024-07-08T23:59:59.999999+08:00")
    reached = (crowd.one("mainland"), crowd.one("hongkong"), crowd.one("jakarta"), crowd.one("second"))
    places = ("CN", "HK", "CN2", "CN")
    for gate in (0, 1):
        for person, place in zip(reached, places, strict=True):
            assert (await it.it.chat(PLACES[place], person.key, gate=gate)).effect == "warn"
    await it.it.turn("2024-07-09T00:00:00+08:00")
    for gate in (0, 1):
        for person, place in zip(reached, places, strict=True):
            assert (await it.it.chat(PLACES[place], person.key, gate=gate)).status == 403, person
        for person, place in ((late, "CN"), (crowd.one("nobody", 1), "CN"), (crowd.one("mainland", 2), "CN")):
            assert (await it.it.chat(PLACES[place], person.key, gate=gate)).status == 200, person
        assert (await it.it.chat(LISBON, crowd.one("lisbon").key, gate=gate)).effect == "allow"
        assert (await it.it.chat(PLACES["SG"], crowd.one("singapore").key, gate=gate)).effect == "allow"
        assert (await it.it.chat(PLACES["SG"], crowd.one("mainland", 3).key, gate=gate)).status == 200, (
            "served elsewhere"
        )
    await it.settled()


async def over(it: Operator, crowd: Crowd, late: Person) -> None:
    """Whoever was told on 6 July is served until the 20th, and no longer."""
    await it.days("2024-07-19T12:00:00+08:00")
    assert (await it.it.chat(PLACES["CN"], late.key)).status == 200
    await it.days("2024-07-21T12:00:00+08:00")
    assert (await it.it.chat(PLACES["CN"], late.key)).status == 403
    assert (await it.it.chat(PLACES["CN"], crowd.one("nobody", 1).key)).status == 200, "it was never told"
    await it.days("2024-07-30T12:00:00+08:00")


async def judged(it: Operator, crowd: Crowd, late: Person) -> None:
    """By the mail server's own log: not one notice twice, not one missing."""
    ids = Counter(letter.id for letter in it.taken())
    assert not [one for one, count in ids.items() if count > 1]
    taken = Counter(letter.to.partition("@")[2].removesuffix(".example") for letter in it.taken())
    found = {one["external_id"]: one async for one in people(it)}
    expected = {"mainland": 5, "hongkong": 5, "jakarta": 5, "second": 5}
    exempt = {crowd.one("mainland", number).external_id for number in (1, 2, 3)}
    for kind, count in expected.items():
        for person in crowd.by[kind]:
            if person.external_id not in exempt:
                assert taken[person.external_id] == count, (kind, found[person.external_id])
                stages = [one["stage"] for one in found[person.external_id]["notices"] if one["state"] == "delivered"]
                assert stages == STAGES
    for kind in ("singapore", "traveller", "nobody"):
        assert not any(taken[person.external_id] for person in crowd.by[kind]), kind
    assert {taken[person.external_id] for person in crowd.by["lisbon"]} == {2}
    assert all(found[one.external_id]["notices"][-1]["kind"] == "correction" for one in crowd.by["lisbon"])
    assert [found[name]["notices"][-1]["kind"] for name in sorted(exempt)] == ["release"] * 3
    hashes = {one["sha256"] for each in found.values() for one in each["notices"] if one["state"] == "delivered"}
    assert len(hashes) == len(it.taken()), "each has the hash of its exact message"
    assert (await it.api("GET", "/campaigns/june-2024/report"))["cases"] == []
    assert (await it.api("GET", "/audit/verify"))["sound"]


async def people(it: Operator) -> Any:
    after = ""
    while True:
        page = await it.api("GET", f"/campaigns/june-2024/accounts?limit=1000&after={after}")
        for one in page["items"]:
            yield one
        if not (after := page["next"]):
            return
