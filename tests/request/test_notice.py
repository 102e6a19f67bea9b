"""What a warned caller is told of the date, for the dates of 2024; and that it is told to nobody else."""

from typing import Any

import msgspec
import pytest

from gapura.clock import SECOND, TurnableClock, instant
from gapura.request.decide import decide
from gapura.request.notice import Notices
from gapura.rulebook.compile import Rules
from gapura.rulebook.read import read
from gapura.terms.caller import Account, Caller, Key, Lifted, Notice
from gapura.terms.place import Origin
from gapura.terms.rulebook import Endpoint

OPENAI = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
WARN = {"effect": "warn", "from": "2024-06-24T00:00:00", "zone": "Asia/Shanghai"}
BLOCK = {"effect": "block", "from": "2024-07-09T00:00:00", "zone": "Asia/Shanghai"}
LONGER = {"id": "told-late", "effect": "warn", "accounts": ["late"], "until": "2024-08-01T00:00:00Z"}
NOW = instant("2024-07-01T00:00:00+08:00")


def rules(*phases: dict[str, str], **more: Any) -> Rules:
    policy = {"pack": "openai/api", "name": "supported countries", "phases": list(phases), **more}
    return Rules(read({"policies": [policy]}, endpoints=[OPENAI], models={"openai": ["gpt-4o"]}))


def told(
    used: Rules,
    at: int = NOW,
    *,
    notices: Notices | None = None,
    name: str = "acme",
    territory: str = "CN",
    sent: tuple[Notice, ...] = (),
    lifted: tuple[Lifted, ...] = (),
) -> dict[str, str]:
    caller = Caller(Key("k", "a", "gp"), Account("a", name, "o", notices=sent, lifted=lifted))
    origin, route = Origin(territory, "certain", "peer"), used.route("gpt-4o")
    assert route
    decision = decide(used, route, caller, origin, at, "dec_1")
    headers = (notices or Notices()).of(used, decision, caller, origin, at)
    return {header.decode(): value.decode() for header, value in headers}


def test_the_date_is_told_in_its_zone_and_as_browsers_read_it() -> None:
    assert told(rules(WARN, BLOCK)) == {
        "sunset": "Mon, 08 Jul 2024 16:00:00 GMT",
        "deprecation": f"@{instant(WARN['from'] + '+08:00') // SECOND}",
        "gapura-notice": 'block;from="2024-07-09T00:00:00+08:00";policy="supported countries";target="openai/gpt-4o"',
        "cache-control": "private",
        "link": '<https://developers.openai.com/api/docs/supported-countries>; rel="sunset"',
    }
    page = Notices("https://example.com/notice")
    assert told(rules(WARN, BLOCK), notices=page)["link"] == '<https://example.com/notice>; rel="sunset"'


@pytest.mark.parametrize("used", [rules(WARN), rules(WARN, BLOCK | {"effect": "review"})])
def test_without_a_block_ahead_there_is_nothing_to_tell(used: Rules) -> None:
    assert told(used) == {}


def test_who_is_blocked_later_is_told_the_later_date() -> None:
    used = rules(WARN, BLOCK, rules=[LONGER])
    late = told(used, name="late")
    assert (
        late["sunset"] == "Thu, 01 Aug 2024 00:00:00 GMT"
        and 'from="2024-08-01T00:00:00+00:00"' in late["gapura-notice"]
    )
    notices = Notices()
    both = [told(used, notices=notices, name=name)["sunset"] for name in ("acme", "late", "acme")]
    assert both == ["Mon, 08 Jul 2024 16:00:00 GMT", late["sunset"], "Mon, 08 Jul 2024 16:00:00 GMT"]


def test_what_is_remembered_ends_with_its_time_and_with_its_rules() -> None:
    notices, clock = Notices(), TurnableClock(NOW)
    used = rules(WARN, BLOCK | {"effect": "review"}, BLOCK | {"from": "2024-08-01T00:00:00"})
    assert told(used, clock(), notices=notices) == told(used, clock(), notices=notices)
    put_off = rules(WARN, BLOCK | {"from": "2024-09-01T00:00:00"})
    assert told(put_off, clock(), notices=notices)["sunset"] == "Sat, 31 Aug 2024 16:00:00 GMT"
    assert told(used, clock(), notices=notices)["sunset"] == "Wed, 31 Jul 2024 16:00:00 GMT"


def test_a_policys_name_cannot_break_the_header() -> None:
    used = rules(WARN, BLOCK)
    named = msgspec.structs.replace(used.book.policies[0], name='a"\r\nset-cookie: x=名')
    (notice,) = [
        value
        for header, value in told(Rules(msgspec.structs.replace(used.book, policies=(named,)))).items()
        if header == "gapura-notice"
    ]
    assert notice.isascii() and notice.isprintable() and notice.count('"') == 6


TOLD = Notice("ntc_1", "cmp_1", "supported countries", "T-7", "block", instant(BLOCK["from"] + "+08:00"), NOW - SECOND)


def test_a_campaigns_notice_is_named_with_the_date_that_it_told() -> None:
    status = Notices(status="https://notice.example.com")
    headers = told(rules(WARN, BLOCK), notices=status, sent=(TOLD,))
    assert headers["gapura-notice"].endswith('target="openai/gpt-4o";campaign="cmp_1";notice="ntc_1";stage="T-7"')
    assert headers["deprecation"] == f"@{(NOW - SECOND) // SECOND}", "since it was told, not since the policy warns"
    assert headers["link"].endswith(', <https://notice.example.com>; rel="deprecation"')
    again = told(rules(WARN, BLOCK), notices=status)
    assert "campaign" not in again["gapura-notice"], "what one account is told is not told to another"


def test_an_account_is_told_from_places_that_are_not_concerned_too() -> None:
    """It reads its answers wherever they go; only what ends for this request has a Sunset."""
    used = rules(WARN, BLOCK)
    headers = told(used, territory="SG", sent=(TOLD,))
    assert headers["gapura-notice"] == (
        'block;from="2024-07-08T16:00:00Z";policy="supported countries";campaign="cmp_1";notice="ntc_1";stage="T-7"'
    )
    assert "sunset" not in headers and "deprecation" not in headers
    whole = msgspec.structs.replace(TOLD, effect="suspend")
    assert told(used, territory="SG", sent=(whole,))["sunset"] == "Mon, 08 Jul 2024 16:00:00 GMT"


def test_a_notice_is_over_with_its_date() -> None:
    assert told(rules(WARN, BLOCK), TOLD.effective_at, territory="SG", sent=(TOLD,)) == {}


def test_what_a_stage_is_called_cannot_break_the_header() -> None:
    named = msgspec.structs.replace(TOLD, stage='T"\r\nset-cookie: x')
    notice = told(rules(WARN, BLOCK), sent=(named,))["gapura-notice"]
    assert notice.isascii() and notice.isprintable() and notice.count('"') == 12


def test_whoever_was_released_is_told_nothing_of_it() -> None:
    used = rules(WARN, BLOCK)
    for_good = Lifted("exc_1", "supported countries", "exception", "contract")
    assert told(used, sent=(TOLD,), lifted=(for_good,)) == {}
    assert told(used, territory="SG", sent=(TOLD,), lifted=(for_good,)) == {}
    too_short = msgspec.structs.replace(for_good, ends=TOLD.effective_at)
    assert "ntc_1" in told(used, sent=(TOLD,), lifted=(too_short,))["gapura-notice"]
    other = msgspec.structs.replace(for_good, policy="another")
    assert "ntc_1" in told(used, sent=(TOLD,), lifted=(other,))["gapura-notice"]
