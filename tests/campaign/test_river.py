"""One account, from the list to the block: what an operator does, and what the account sees."""

import asyncio
from pathlib import Path

import pytest
from tests.campaign.scene import PLACES, Operator, Person, operating, text_of
from tests.post.relaying import Mailbox

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
reason = "notice of 24 June"
"""


async def begun(it: Operator, document: str = JUNE) -> Person:
    """An account in China, and a list that is proposed and not in force."""
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
    (sample,) = (await it.approved("june-2024", document.format(version=version)))["samples"]
    assert "https://dashscope.aliyuncs.com" in sample["text"]
    assert "https://api.openai.com" not in sample["text"], "what is in force guards nobody; what is to come does"
    return acme


def run(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch, story: object) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

    async def main() -> None:
        async with operating(tmp_path, "2024-06-20T12:00:00+08:00", Mailbox()) as it:
            await story(it)  # type: ignore[operator]

    asyncio.run(main())


def test_told_warned_and_blocked(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(it: Operator) -> None:
        acme = await begun(it)
        assert it.letters() == []
        await it.api("POST", "/campaigns/june-2024/start", {"confirm": "june-2024", "reason": "now"})
        await it.settled()
        shown = await it.api("GET", "/campaigns/june-2024")
        assert shown["people"]["affected"] == shown["people"]["untold"] == 1, shown
        assert (await it.it.chat(PLACES["CN"], acme.key)).effect == "warn"
        await it.days("2024-06-24T09:00:00+08:00")
        (first,) = it.letters()
        assert "2024" in text_of(first)
        await it.days("2024-07-08T23:59:59.999999+08:00")
        for gate in (0, 1):
            assert (await it.it.chat(PLACES["CN"], acme.key, gate=gate)).effect == "warn"
        await it.turn("2024-07-09T00:00:00+08:00")
        for gate in (0, 1):
            refused = await it.it.chat(PLACES["CN"], acme.key, gate=gate)
            assert refused.status == 403, refused
        await it.days("2024-07-17T12:00:00+08:00")
        people = await it.api("GET", "/campaigns/june-2024/accounts")
        assert [one["stage"] for one in people["items"][0]["notices"]] == ["T-14", "T-7", "T-1", "T", "T+7"]
        assert len(it.letters()) == 5

    run(tmp_path, runtime, monkeypatch, story)
