"""A date is written into a document; the rest of it says what it said."""

import pytest

from gapura.clock import instant
from gapura.rulebook import arming, papers
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.read import read_policies
from gapura.terms.rulebook import Phase

DOCUMENT = b"""
[packs."own/api"]
as_of = 2026-01-01
source = "https://example.com/list"
guards = ["openai"]
supported = ["SG", "France"]
note = 'a "quoted" word, and \\ a backslash'

[[policies]]
pack = "own/api"

[[policies.rules]]
id = "fair"
effect = "allow"
territories = ["HK"]
from = 2026-01-01T00:00:00+08:00
until = 2026-03-01T00:00:00+08:00

[[policies.exceptions]]
account = "acme"
reason = "contract"

[[policies]]
pack = "openai/api"
name = "second"
account_place = { days = 3, action = "suspend" }

[[tests]]
territory = "Singapore"
expect = "allow"

[lints]
accept = [{ lint = "splits-eu", reason = "counsel" }]
"""
DAY = instant("2026-07-09T00:00:00Z")
PHASES = (Phase(effect="warn", starts=DAY - 10), Phase(effect="block", starts=DAY))


def test_only_the_phases_of_one_policy_are_other_ones() -> None:
    text = arming.armed(DOCUMENT, "toml", "own/api", PHASES)
    assert text is not None
    before, after = papers.read(DOCUMENT, "toml"), papers.read(text.encode(), "toml")
    assert (before.trials, before.limits) == (after.trials, after.limits)
    one, two = read_policies(before.tables, ()), read_policies(after.tables, ())
    assert one[1] == two[1] and (one[0].rules, one[0].exceptions, one[0].pack) == (
        two[0].rules,
        two[0].exceptions,
        two[0].pack,
    )
    assert [(phase.effect, phase.starts) for phase in two[0].phases] == [("warn", DAY - 10), ("block", DAY)]


def test_what_says_it_already_stays_as_it_is() -> None:
    text = arming.armed(DOCUMENT, "toml", "own/api", PHASES)
    assert text is not None and arming.armed(text.encode(), "toml", "own/api", PHASES) is None
    later = (PHASES[0], Phase(effect="block", starts=DAY + 1))
    with pytest.raises(BadDocument, match=r"policies\[0\].phases: they say warn from .*, block from 2026-07-09"):
        arming.armed(text.encode(), "toml", "own/api", later)


def test_a_policy_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(BadDocument, match="there is no policy third; there are own/api, second"):
        arming.armed(DOCUMENT, "toml", "third", PHASES)


def test_dates_that_are_there_stay_and_hold_for_those_who_were_told() -> None:
    """What somebody wrote before has its own first warning."""
    text = arming.armed(DOCUMENT, "toml", "own/api", PHASES)
    assert text is not None
    told_only = (PHASES[0], Phase(effect="block", starts=DAY, told_only=True))
    stricter = arming.armed(text.encode(), "toml", "own/api", (Phase(effect="warn", starts=DAY - 5), told_only[1]))
    assert stricter is not None
    assert arming.policy(stricter.encode(), "toml", "own/api").phases == told_only
    assert arming.armed(stricter.encode(), "toml", "own/api", told_only) is None
