"""Who is told what, and when: values in, values out."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapura.campaign import plan
from gapura.campaign.plan import DAY, Stage, stages
from gapura.clock import instant
from gapura.terms.campaign import Act, Campaign, Fallback, Hours

DATE = instant("2024-07-09T00:00:00+08:00")
SHANGHAI = "Asia/Shanghai"


def campaign(*names: str, **more: object) -> Campaign:
    given_ = {"name": "june", "policy": "openai/api", "effective_at": DATE, "zone": SHANGHAI, "plan": names}
    return msgspec.convert({**given_, **more}, Campaign)


def test_a_notice_comes_in_the_readers_hours_and_rather_early() -> None:
    it = campaign("T-14", "T", "T+7")
    at = instant("2024-06-01T00:00:00Z")
    assert plan.due(it, Stage("T-14", -14), SHANGHAI, DATE, at) == instant("2024-06-24T09:00:00+08:00")
    assert plan.due(it, Stage("T-14", -14), "America/Los_Angeles", DATE, at) == instant("2024-06-24T09:00:00-07:00")
    assert plan.due(it, Stage("T", 0), SHANGHAI, DATE, at) == instant("2024-07-09T09:00:00+08:00")
    assert plan.due(it, Stage("T+7", 7), "nowhere", DATE, at) == instant("2024-07-16T09:00:00+08:00")


def test_who_comes_late_is_sent_the_last_notice_that_has_passed_and_no_other() -> None:
    it = campaign("T-60", "T-30", "T-14", "T-7", "T-1", "T")
    at = instant("2024-07-01T10:00:00+08:00")
    index, due = plan.following(it, 0, SHANGHAI, DATE, at)
    assert (stages(it)[index].name, due) == ("T-14", at)
    assert plan.following(it, index + 1, SHANGHAI, DATE, at) == (3, instant("2024-07-02T09:00:00+08:00"))
    night = instant("2024-07-01T23:00:00+08:00")
    assert plan.following(it, 0, SHANGHAI, DATE, night)[1] == instant("2024-07-02T09:00:00+08:00")


def test_behind_the_last_stage_there_is_none() -> None:
    it = campaign("T-14", "T")
    assert plan.following(it, 2, SHANGHAI, DATE, DATE) == (2, 0)
    assert plan.following(it, 1, SHANGHAI, DATE, DATE + 30 * DAY)[0] == 1


def test_whoever_is_told_too_late_has_a_later_day() -> None:
    it = campaign("T-14")
    assert plan.day(it, 0, DATE - 20 * DAY) == DATE
    assert plan.day(it, DATE - 13 * DAY, 0) == DATE + DAY
    assert plan.day(it, 0, DATE + 3 * DAY) == DATE + 17 * DAY


zones = st.sampled_from(["UTC", SHANGHAI, "America/Los_Angeles", "Asia/Kathmandu", "Europe/Lisbon", "Pacific/Apia"])
instants = st.integers(instant("2023-01-01T00:00:00Z"), instant("2026-01-01T00:00:00Z"))
hours = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda pair: pair[0] < pair[1])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(instants, instants, zones, hours)
def test_no_letter_at_night_and_no_notice_shorter_than_said(
    at: int, date: int, zone: str, pair: tuple[int, int]
) -> None:
    it = campaign("T-14", "T", effective_at=date, hours={"starts": pair[0], "ends": pair[1]})
    for stage in stages(it):
        due = plan.due(it, stage, zone, date, at)
        assert due >= at
        assert plan.earliest(due, zone, Hours(starts=pair[0], ends=pair[1])) == due
        if stage.days < 0 and at <= plan.latest(date - 14 * DAY, zone, it.hours):
            assert due <= date - 14 * DAY
        if stage.days == 0:
            assert due >= date


@pytest.mark.parametrize(
    ("more", "code", "severity"),
    [
        ({"plan": ("T",)}, "no-notice", "refuse"),
        ({"plan": ("T-7", "T")}, "short-notice", "refuse"),
        ({"effective_at": DATE - 60 * DAY}, "past-day", "refuse"),
        ({"effective_at": DATE - 42 * DAY}, "short-notice", "warn"),
        ({"notice_days": 0}, "short-notice", "warn"),
        ({"plan": ("T-14", "T-14", "T")}, "stage-twice", "warn"),
        ({"plan": ("T-14",)}, "no-word-on-the-day", "warn"),
        ({"hours": {"starts": 18, "ends": 9}}, "no-hours", "refuse"),
        ({"acts": [{"effect": "suspend"}]}, "suspend-by-place", "refuse"),
        ({"acts": [{"effect": "block", "by": "account"}]}, "block-by-account", "refuse"),
        ({"acts": [{"effect": "block"}, {"effect": "warn", "after_days": 3}]}, "milder-later", "warn"),
        ({"acts": []}, "no-act", "warn"),
        ({"channels": ("webhook",), "fallback": {}}, "nobody-told", "refuse"),
        ({"channels": ("mail",), "counts_as_told": ("webhook",)}, "not-sent", "refuse"),
        ({"counts_as_told": (), "fallback": {}}, "nobody-told", "refuse"),
        ({"channels": ("mail",), "fallback": {"header_days": 3}}, "no-header", "refuse"),
        ({"fallback": {"header_days": 0}}, "exempt-for-ever", "warn"),
    ],
)
def test_what_is_wrong_is_found(more: dict[str, object], code: str, severity: str) -> None:
    at = DATE - 50 * DAY
    sound = campaign("T-14", "T", fallback=msgspec.to_builtins(Fallback(header_days=3)))
    assert plan.lints(sound, at) == []
    found = plan.lints(msgspec.convert({**msgspec.to_builtins(sound), **more}, Campaign), at)
    assert (code, severity) in {(lint.code, lint.severity) for lint in found}, found


def test_acts_may_follow_one_another() -> None:
    it = campaign(
        "T-14", "T", acts=msgspec.to_builtins((Act(effect="block"), Act(effect="suspend", by="account", after_days=60)))
    )
    assert not [lint for lint in plan.lints(it, DATE - 50 * DAY) if lint.code in {"milder-later", "suspend-by-place"}]
