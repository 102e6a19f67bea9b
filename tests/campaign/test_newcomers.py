"""Whom the campaign has not met when the day comes: nobody is refused by a date that it was not told of."""

from pathlib import Path

import pytest
from tests.campaign.scene import PLACES, Operator, Person
from tests.campaign.test_river import run
from tests.campaign.test_ways import effect, started


async def newcomers(it: Operator, *names: str) -> list[Person]:
    common = {"language": "en", "zone": "Asia/Shanghai"}
    return await it.people(
        [common | {"external_id": name, "contacts": {"technical": f"t@{name}.example"}} for name in names]
    )


def test_nobody_is_refused_by_a_date_that_it_was_not_told_of(
    tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`late` comes from there alone, and after the day; `traveller` from elsewhere too, so that the campaign is not
    about it; `later` when the campaign is over."""

    async def story(it: Operator) -> None:
        acme = await started(it)
        for stamp in ("2024-06-24T12:00:00+08:00", "2024-07-15T12:00:00+08:00"):
            await it.turn(stamp)
        late, traveller = await newcomers(it, "late", "traveller")
        for gate in (0, 1):
            said = await it.it.chat(PLACES["CN"], late.key, gate=gate)
            assert (said.status, said.effect) == (200, "warn"), "before any survey has seen it"
        assert await effect(it, traveller, "SG") == "allow" and await effect(it, traveller) == "warn"
        assert await effect(it, acme) == "block"
        await surveyed(it, late, traveller)
        await their_day(it, late, traveller)
        await finished(it, acme)

    run(tmp_path, runtime, monkeypatch, story)


async def surveyed(it: Operator, late: Person, traveller: Person) -> None:
    """Each is told: the one by a letter, the other by its answers, wherever it calls from."""
    await it.turn("2024-07-16T12:00:00+08:00")
    await it.turn("2024-07-16T18:00:00+08:00")
    assert len(it.letters("t@late")) == 1 and it.letters("t@traveller") == []
    assert (await it.api("GET", "/campaigns/june-2024"))["people"]["bystanders"] == 1
    said = await it.it.chat(PLACES["CN"], late.key)
    assert said.effect == "warn" and 'campaign="june-2024"' in said.headers["gapura-notice"]
    assert said.headers["sunset"].startswith("Tue, 30 Jul 2024")
    said = await it.it.chat(PLACES["SG"], traveller.key)
    assert said.effect == "allow" and 'stage="header"' in said.headers["gapura-notice"]


async def their_day(it: Operator, late: Person, traveller: Person) -> None:
    await it.turn("2024-07-30T11:59:00+08:00")
    assert [await effect(it, one) for one in (late, traveller)] == ["warn", "warn"]
    assert await effect(it, traveller, "SG") == "allow", "it is still not only there"
    await it.turn("2024-07-30T20:00:00+08:00")
    assert [await effect(it, one) for one in (late, traveller)] == ["block", "block"]
    assert await effect(it, traveller, "SG") == "allow"


async def finished(it: Operator, acme: Person) -> None:
    """Nobody is looked for any more, so the dates hold for all, after the days that the last who was told has."""
    await it.turn("2024-08-01T12:00:00+08:00")
    await it.api("POST", "/campaigns/june-2024/finish", {"confirm": "june-2024", "reason": "done"})
    await it.settled()
    assert await effect(it, acme) == "block"
    (later,) = await newcomers(it, "later")
    said = await it.it.chat(PLACES["CN"], later.key)
    assert said.effect == "warn" and said.headers["sunset"].startswith("Thu, 15 Aug 2024")
    await it.turn("2024-08-15T11:59:59+08:00")
    assert await effect(it, later) == "warn"
    await it.turn("2024-08-15T12:00:00+08:00")
    assert await effect(it, later) == "block"
    await it.api("POST", "/campaigns/june-2024/recall", {"confirm": "june-2024", "reason": "a mistake"})
    await it.settled()
    said = await it.it.chat(PLACES["CN"], later.key)
    assert said.effect == "allow" and "gapura-notice" not in said.headers, "what was before is in force again"
