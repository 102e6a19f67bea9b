"""When somebody is told what: pure functions of a campaign, of an account's own day, and of the time.

The day of most accounts is the campaign's.  Whoever is told too late for that has a later one, `notice_days` after it
was told: nobody is blocked on a day that it could not know of.

>>> [stage.name for stage in stages(Campaign(name="x", policy="p", effective_at=1, plan=("T", "T-14", "T+7")))]
['T-14', 'T', 'T+7']
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from gapura.clock import SECOND, instant, text
from gapura.terms.campaign import Campaign, Hours
from gapura.terms.letter import Kind

DAY = 86_400 * SECOND


class Stage(NamedTuple):
    """One notice of the plan, `days` after the day (before it: negative)."""

    name: str
    days: int

    @property
    def kind(self) -> Kind:
        return "notice" if self.days < 0 else "effective"


class Lint(msgspec.Struct, frozen=True):
    """What is wrong with a campaign that can be meant.  What `refuse`s keeps it from being approved."""

    code: str
    severity: Literal["refuse", "warn"]
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def stages(campaign: Campaign) -> tuple[Stage, ...]:
    """In the order of time."""
    return tuple(sorted({Stage(name, int(name[1:] or 0)) for name in campaign.plan}, key=lambda stage: stage.days))


def day(campaign: Campaign, told_at: int, at: int) -> int:
    """An account's own day; `told_at` 0: it is told now at the earliest."""
    return max(campaign.effective_at, (told_at or at) + campaign.notice_days * DAY)


def following(campaign: Campaign, index: int, zone: str, its_day: int, at: int) -> tuple[int, int]:
    """The next stage from `index` on, and when it is due; (its number, 0) where there is none.

    Of notices whose time has passed only the last is still sent: one letter says all that they would have said.
    """
    plan = stages(campaign)
    while index + 1 < len(plan) and plan[index + 1].days <= 0 and its_day + plan[index + 1].days * DAY <= at:
        index += 1
    if index >= len(plan):
        return index, 0
    return index, due(campaign, plan[index], zone, its_day, at)


def due(campaign: Campaign, stage: Stage, zone: str, its_day: int, at: int) -> int:
    """Within the hours of the reader's day.  A notice comes rather earlier than its day, so that the time from it to
    the day is never shorter than was said; what tells of something that has happened comes after it."""
    wanted = its_day + stage.days * DAY
    where = zone if known(zone) else campaign.zone
    if stage.days < 0 and (early := latest(wanted, where, campaign.hours)) >= at:
        return early
    return earliest(max(wanted, at), where, campaign.hours)


def earliest(at: int, zone: str, hours: Hours) -> int:
    """The first instant from `at` on that is within the hours."""
    local = _local(at, zone)
    for days in range(3):
        begins, ends = _hours(local + timedelta(days=days), hours)
        if at < ends:
            return max(at, begins)
    return at


def latest(at: int, zone: str, hours: Hours) -> int:
    """The start of the last hours that begin at `at` or before, or `at` itself where it is within them."""
    local = _local(at, zone)
    for days in range(3):
        begins, ends = _hours(local - timedelta(days=days), hours)
        if begins <= at:
            return at if at < ends else begins
    return at


def known(zone: str) -> bool:
    try:
        _zone(zone)
    except (ValueError, KeyError, OSError):
        return False
    return bool(zone)


def lints(campaign: Campaign, at: int) -> list[Lint]:
    """What speaks against it, by its text alone."""
    return [*_time(campaign, at), *_acts(campaign), *_ways(campaign)]


def _time(campaign: Campaign, at: int) -> Iterator[Lint]:
    plan = stages(campaign)
    notices = [stage for stage in plan if stage.days < 0]
    left = (campaign.effective_at - at) / DAY
    if not notices:
        yield Lint("no-notice", "refuse", "the plan tells nobody before the day; add a stage, as T-14")
    elif -notices[0].days < campaign.notice_days:
        first = notices[0].name
        yield Lint(
            "short-notice", "refuse",
            f"the first notice is {first}, but notice_days is {campaign.notice_days}; add T-{campaign.notice_days}",
        )  # fmt: skip
    if left <= 0:
        yield Lint("past-day", "refuse", f"the day, {text(campaign.effective_at)}, is over")
    elif left < campaign.notice_days:
        yield Lint(
            "short-notice", "warn",
            f"the day is in {left:.1f} days: whoever is told now is exempt until {campaign.notice_days} days after",
        )  # fmt: skip
    if campaign.notice_days == 0 and campaign.acts:
        yield Lint("short-notice", "warn", "notice_days is 0: whoever is told on the day is blocked on the day")
    if len(plan) < len(campaign.plan):
        yield Lint("stage-twice", "warn", "a stage stands in the plan twice, and is sent once")
    if not any(stage.days == 0 for stage in plan):
        yield Lint("no-word-on-the-day", "warn", "the plan has no stage T: nobody is told when it has happened")
    if campaign.hours.starts >= campaign.hours.ends:
        yield Lint("no-hours", "refuse", "hours.starts is not before hours.ends: there is no time to send in")


def _acts(campaign: Campaign) -> Iterator[Lint]:
    strictness = {"warn": 0, "block": 1, "suspend": 2}
    acts = sorted(campaign.acts, key=lambda act: act.after_days)
    if any(act.effect == "suspend" and act.by == "place" for act in acts):
        yield Lint("suspend-by-place", "refuse", 'an account is suspended, not a place; write by = "account"')
    if any(act.effect == "block" and act.by == "account" for act in acts):
        yield Lint("block-by-account", "refuse", 'a place is blocked; an account is shut out by effect = "suspend"')
    if any(strictness[b.effect] < strictness[a.effect] for a, b in pairwise(acts)):
        yield Lint("milder-later", "warn", "a later act is milder than one before it")
    if not acts:
        yield Lint("no-act", "warn", "nothing happens on the day: the campaign only tells")


def _ways(campaign: Campaign) -> Iterator[Lint]:
    counted = set(campaign.counts_as_told) & set(campaign.channels)
    if not counted and not campaign.fallback.header_days:
        yield Lint(
            "nobody-told", "refuse",
            "no channel is in counts_as_told, and fallback.header_days is 0: nobody ever counts as told",
        )  # fmt: skip
    if unsent := set(campaign.counts_as_told) - set(campaign.channels) - {"mail"}:
        yield Lint("not-sent", "refuse", f"counts_as_told names {', '.join(unsent)}, which is not among the channels")
    if "header" not in campaign.channels and campaign.fallback.header_days:
        yield Lint("no-header", "refuse", "fallback.header_days counts warned answers; add the channel header")
    if counted and not campaign.fallback.header_days:
        yield Lint(
            "exempt-for-ever",
            "warn",
            f"whoever cannot be reached by {' or '.join(sorted(counted))} stays exempt: fallback.header_days is 0",
        )


def _hours(local: datetime, hours: Hours) -> tuple[int, int]:
    """The instants at which the hours of this local day begin and end."""
    begins = datetime.combine(local.date(), time(hours.starts), local.tzinfo)
    after = local.date() + timedelta(days=hours.ends == 24)  # noqa: PLR2004 - the hour that is the next day's first
    ends = datetime.combine(after, time(hours.ends % 24), local.tzinfo)
    return instant(begins.astimezone(UTC)), instant(ends.astimezone(UTC))


def _local(at: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(_zone(zone))


@lru_cache(maxsize=1024)
def _zone(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)
