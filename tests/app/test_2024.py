"""June and July 2024, told again by a turned clock: the notice, the warnings, an exception, the block at midnight by
each gate's own clock, and an account that was in the wrong place by a mistake of the data."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import CHINA, HONGKONG, SINGAPORE
from tests.app.turned import Gateway, gateway

from gapura.clock import instant

DOCUMENT = """
# What the notice of 24 June said, and to whom it was told too late.
[[policies]]
pack = "openai/api"
name = "supported countries"

[[policies.phases]]
effect = "warn"
from = 2024-06-24T00:00:00
zone = "Asia/Shanghai"

[[policies.phases]]
effect = "block"
from = 2024-07-09T00:00:00
zone = "Asia/Shanghai"

[[policies.exceptions]]
account = "told-late"
reason = "was told on 5 July only"
owner = "ops@example.com"
until = 2024-07-20T00:00:00+08:00

[[tests]]
name = "the last instant of 8 July is not the 9th"
territory = "China"
model = "gpt-4o-mini"
at = 2024-07-08T23:59:59.999999+08:00
expect = "warn"

[[tests]]
name = "the block begins at midnight in Shanghai"
territory = "China"
model = "gpt-4o-mini"
at = 2024-07-09T00:00:00+08:00
expect = "block"
"""
REFUSAL = {
    "error": {
        "code": "unsupported_country_region_territory",
        "message": "Country, region, or territory not supported",
        "param": None,
        "type": "request_forbidden",
    }
}
SUNSET = "Mon, 08 Jul 2024 16:00:00 GMT"


def test_the_story_of_2024(tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)

    async def story() -> None:
        async with gateway(tmp_path, "2024-06-20T12:00:00+08:00") as it:
            as_it_was = (await it.api("POST", "/policies/versions?reason=as+it+was", b"policies = []"))["version"]["id"]
            await it.activate(as_it_was, "as it was")
            await armed(it)
            late, lisbon = await it.key("told-late"), await it.key("lisbon-office")
            await warned(it, late)
            await blocked(it, late)
            await released(it, lisbon)
            await over(it, late, lisbon)
            await it.activate(as_it_was, "the notice was withdrawn")
            assert (await it.chat(CHINA)).effect == "allow"
            done = [(one["action"], one["reason"]) for one in (await it.api("GET", "/audit?limit=1000"))["items"]]
            reasons = ("as it was", "notice of 24 June", "the notice was withdrawn")
            assert [entry for entry in done if entry[0] == "policy.activate"] == [
                ("policy.activate", reason) for reason in reasons
            ]

    asyncio.run(story())


async def armed(it: Gateway) -> None:
    """20 June: the dates are set weeks before, so that nobody has to be awake at midnight."""
    assert (await it.chat(CHINA)).effect == "allow"
    proposed = await it.api("POST", "/policies/versions?reason=notice+of+24+June", DOCUMENT.encode())
    assert proposed["findings"]["stands"] and len(proposed["findings"]["tests"]) == 2
    version = proposed["version"]["id"]
    rehearsed = await it.api("POST", f"/policies/versions/{version}/activate", {})
    moments = [moment["at"] for moment in rehearsed["compared"]["difference"]["moments"]]
    assert moments == [instant(f"2024-{date}+08:00") for date in ("06-20T12:00", "06-24T00:00", "07-09T00:00")]
    await it.activate(version, "notice of 24 June")


async def warned(it: Gateway, late: str) -> None:
    """24 June: from here on answers say until when there will be any."""
    await it.turn("2024-06-23T23:59:59.999999+08:00")
    before = await it.chat(CHINA)
    assert (before.status, before.effect) == (200, "allow") and "sunset" not in before.headers
    await it.turn("2024-06-24T00:00:00+08:00")
    for come in (CHINA, HONGKONG):
        told = await it.chat(come)
        assert (told.status, told.effect, told.headers["sunset"]) == (200, "warn", SUNSET)
        assert 'from="2024-07-09T00:00:00+08:00";policy="supported countries"' in told.headers["gapura-notice"]
        assert told.headers["link"].endswith('rel="sunset"') and told.headers["cache-control"] == "private"
    for others in (await it.chat(SINGAPORE), await it.chat(CHINA, late)):
        assert others.effect == "allow" and not {"sunset", "gapura-notice", "link"} & others.headers.keys()


async def blocked(it: Gateway, late: str) -> None:
    """The last instant of 8 July, where the second gate's clock is a minute ahead; and the 9th."""
    await it.turn("2024-07-08T23:59:59.999999+08:00", second=60)
    assert [(await it.chat(CHINA, gate=gate)).effect for gate in (0, 1)] == ["warn", "block"]
    await it.turn("2024-07-09T00:00:00+08:00")
    for gate in (0, 1):
        refused = await it.chat(CHINA, gate=gate)
        assert (refused.status, refused.effect, json.loads(refused.body)) == (403, "block", REFUSAL)
        assert (await it.chat(SINGAPORE, gate=gate)).status == (await it.chat(CHINA, late, gate=gate)).status == 200


async def released(it: Gateway, lisbon: str) -> None:
    """An office in Lisbon is in a network that the data place in Hong Kong, until they are corrected."""
    assert (await it.chat(HONGKONG, lisbon)).status == 403
    while await it.keeper.ingest.step():
        pass
    correction = {
        "prefix": f"{HONGKONG}/32",
        "territory": "Portugal",
        "reason": "leased to our customer's office in Lisbon",
        "owner": "ops@example.com",
        "ends": instant("2024-12-31T00:00:00+08:00"),
    }
    foretold: Any = await it.api("POST", "/atlas/corrections?dry_run=true", correction)
    assert "lisbon-office" in json.dumps(foretold["consequences"])
    assert (await it.chat(HONGKONG, lisbon)).status == 403
    await it.api("POST", "/atlas/corrections", correction)
    await it.renewed()
    for gate in (0, 1):
        assert (await it.chat(HONGKONG, lisbon, gate=gate)).status == 200
        assert (await it.chat(CHINA, gate=gate)).status == 403
    told = await it.api("GET", f"/policies/explain?place={HONGKONG}&model=gpt-4o-mini")
    assert told["located"]["correction"]["reason"] == correction["reason"]
    assert told["explanations"][0]["verdict"][1] == "allow"


async def over(it: Gateway, late: str, lisbon: str) -> None:
    """20 July: the exception ends, and that too at an instant."""
    await it.turn("2024-07-19T23:59:59.999999+08:00")
    assert (await it.chat(CHINA, late)).status == 200
    await it.turn("2024-07-20T00:00:00+08:00")
    assert (await it.chat(CHINA, late)).status == 403
    assert (await it.chat(HONGKONG, lisbon)).status == 200
