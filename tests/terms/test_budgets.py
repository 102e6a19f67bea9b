"""Windows: half-open, in the zone that is meant, also where days are not 24 hours or do not begin at a full hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.clock import instant, text
from gapura.terms.budgets import Budget, Window, span


@pytest.mark.parametrize(
    ("window", "zone", "at", "starts", "ends"),
    [
        ("day", "UTC", "2026-11-29T00:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("day", "Asia/Shanghai", "2026-11-29T15:59:59.999999Z", "2026-11-28T16:00:00Z", "2026-11-29T16:00:00Z"),
        ("day", "Asia/Shanghai", "2026-11-29T16:00:00Z", "2026-11-29T16:00:00Z", "2026-11-30T16:00:00Z"),
        ("day", "Asia/Kathmandu", "2026-11-29T18:14:59Z", "2026-11-28T18:15:00Z", "2026-11-29T18:15:00Z"),
        ("day", "Asia/Kathmandu", "2026-11-29T18:15:00Z", "2026-11-29T18:15:00Z", "2026-11-30T18:15:00Z"),
        ("day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("day", "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
        ("month", "Europe/Berlin", "2026-10-31T22:59:59Z", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
        ("month", "Europe/Berlin", "2026-10-31T23:00:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"),
        ("month", "UTC", "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("total", "UTC", "2026-11-29T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_window(window: Window, zone: str, at: str, starts: str, ends: str) -> None:
    found = span(window, zone, instant(at))
    assert (text(found.starts), text(found.ends)) == (starts, ends)


@given(
    st.sampled_from(["day", "month"]),
    st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham"]),
    st.integers(0, 4_000_000_000_000_000),
)
def test_windows_meet(window: Window, zone: str, at: int) -> None:
    here = span(window, zone, at)
    assert here.starts <= at < here.ends
    assert span(window, zone, here.starts) == here == span(window, zone, here.ends - 1)
    assert span(window, zone, here.ends).starts == here.ends


def test_whom_a_budget_is_about() -> None:
    budget = Budget(id="bud_1", organisation="o", amount=1, key="key_1", models=("glm-*", "qwen-plus"))
    assert budget.applies("key_1", "glm-4.6") and budget.applies("key_1", "qwen-plus")
    assert not budget.applies("key_2", "glm-4.6") and not budget.applies("key_1", "qwen-max")
    assert Budget(id="bud_1", organisation="o", amount=1).applies("key_9", "anything")


def test_a_windows_purse() -> None:
    day = Budget(id="bud_1", organisation="o", amount=1, window="day", zone="Asia/Shanghai")
    assert day.purse(instant("2026-11-29T16:00:00Z")) == f"bud:bud_1:{instant('2026-11-29T16:00:00Z')}"
    assert [
        Budget(id="b", organisation="o", amount=1, window="minute", unit=unit).purse(5)
        for unit in ("requests", "tokens")
    ] == ["rpm:b", "tpm:b"]
    assert Budget(id="b", organisation="o", amount=1, unit="CNY").purse(5) == "bud:b:0"
    assert Budget(id="b", organisation="o", amount=1, unit="CNY").in_money
