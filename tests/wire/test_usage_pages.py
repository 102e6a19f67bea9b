"""Pages of use and cost as OpenAI tells them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from gapura.errors import BadRequest
from gapura.wire.usage_pages import COSTS, COUNTED, USAGE, Spent, Used, costs_page, read, usage_page

DAY = 86_400
MONDAY = 1_719_792_000  # 2024-07-01
NOW = MONDAY + 10 * DAY + 5


def buckets(query: str, path: str = USAGE) -> list[tuple[int, int]]:
    asked = read(path, query, NOW)
    return list(zip(asked.starts, (*asked.starts[1:], asked.ends), strict=True))


def test_the_first_bucket_begins_where_it_is_asked_for_and_others_on_the_hour_or_day() -> None:
    assert buckets(f"start_time={MONDAY + 3600}&end_time={MONDAY + DAY + 60}") == [
        (MONDAY + 3600, MONDAY + DAY), (MONDAY + DAY, MONDAY + DAY + 60),
    ]  # fmt: skip
    assert len(buckets(f"start_time={MONDAY}&end_time={MONDAY + 7200}&bucket_width=1h")) == 2
    assert len(buckets(f"start_time={MONDAY}&end_time={MONDAY + 120}&bucket_width=1m")) == 2


def test_pages_join_without_a_gap() -> None:
    query = f"start_time={MONDAY}&end_time={MONDAY + 9 * DAY}"
    first = json.loads(usage_page(USAGE, read(USAGE, query, NOW), []))
    assert (len(first["data"]), first["has_more"]) == (7, True)
    second = json.loads(usage_page(USAGE, read(USAGE, f"{query}&page={first['next_page']}", NOW), []))
    assert (len(second["data"]), second["has_more"], second["next_page"]) == (2, False, None)
    assert first["data"][-1]["end_time"] == second["data"][0]["start_time"]
    assert second["data"][-1]["end_time"] == MONDAY + 9 * DAY


def test_without_an_end_it_is_until_now() -> None:
    assert buckets(f"start_time={MONDAY + 9 * DAY}")[-1][1] > NOW
    assert len(buckets(f"start_time={MONDAY}&limit=31")) == 11


def page(query: str, *used: Used) -> Any:
    return json.loads(
        usage_page(USAGE, read(USAGE, f"start_time={MONDAY}&end_time={MONDAY + 2 * DAY}&{query}", NOW), used)
    )


USES = (
    Used(MONDAY, "key_1", "glm-4", 1, 10, 5, 2, 0), Used(MONDAY, "key_2", "glm-4", 2, 20, 6, 0, 0),
    Used(MONDAY, "key_1", "qwen-plus", 3, 30, 7, 0, 9), Used(MONDAY + DAY, "key_1", "glm-4", 4, 40, 8, 0, 0),
)  # fmt: skip


def test_what_is_not_grouped_by_is_added_up() -> None:
    (one,) = page("", *USES)["data"][0]["results"]
    assert (one["input_tokens"], one["output_tokens"], one["input_cached_tokens"], one["num_model_requests"]) == (
        60,
        18,
        2,
        6,
    )
    assert (one["object"], one["model"], one["api_key_id"]) == ("organization.usage.completions.result", None, None)


@pytest.mark.parametrize(
    "form",
    ["group_by=model&group_by=api_key_id", "group_by[]=model&group_by[]=api_key_id", "group_by=model,api_key_id"],
)
def test_groups(form: str) -> None:
    results = page(form, *USES)["data"][0]["results"]
    assert [(one["api_key_id"], one["model"], one["input_tokens"]) for one in results] == [
        ("key_1", "glm-4", 10), ("key_1", "qwen-plus", 30), ("key_2", "glm-4", 20),
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "unit"), COUNTED.items())
def test_what_is_not_in_tokens_has_pages_of_its_own(path: str, unit: str) -> None:
    asked = read(path, f"start_time={MONDAY}&end_time={MONDAY + DAY}&group_by=model", NOW)
    _, one = json.loads(usage_page(path, asked, USES[:3]))["data"][0]["results"]
    assert (one["object"], one[unit]) == (f"organization.usage.{path.rpartition('/')[2]}.result", 9)
    assert (one["model"], one["num_model_requests"], "input_tokens" in one) == ("qwen-plus", 3, False)


def test_costs_are_digits_and_one_result_a_currency() -> None:
    asked = read(COSTS, f"start_time={MONDAY}&end_time={MONDAY + DAY}&group_by=line_item", NOW)
    spent = (
        Spent(MONDAY, "key_1", "glm-4", "CNY", 1), Spent(MONDAY, "key_2", "glm-4", "CNY", 2_000_000_000),
        Spent(MONDAY, "key_1", "gpt-4o", "USD", 5),
    )  # fmt: skip
    (bucket,) = json.loads(costs_page(asked, spent), parse_float=Decimal)["data"]
    told = [(one["amount"]["currency"], one["amount"]["value"], one["line_item"]) for one in bucket["results"]]
    assert told == [("cny", Decimal("2.000000001"), "glm-4"), ("usd", Decimal("0.000000005"), "gpt-4o")]


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        (USAGE, "", "start_time"), (USAGE, "start_time=soon", "start_time"), (USAGE, "start_time=-1", "start_time"),
        (USAGE, "start_time=1&limit=32", "limit"), (USAGE, "start_time=1&limit=0", "limit"),
        (USAGE, "start_time=1&bucket_width=1w", "bucket_width"),
        (COSTS, "start_time=1&bucket_width=1h", "bucket_width"),
        (USAGE, "start_time=1&group_by=colour", "group_by"), (COSTS, "start_time=1&group_by=model", "group_by"),
        (USAGE, "start_time=1&page=next", "page"), (USAGE, "start_time=1&project_ids=p", "project_ids"),
    ],
)  # fmt: skip
def test_the_parameter_is_named(path: str, query: str, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(path, query, NOW)
    assert caught.value.param == param
