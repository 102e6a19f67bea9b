"""Exports of usage in the shapes that were seen, and what is said of those that are none."""

import json

import pytest

from gapura.clock import SECOND, instant
from gapura.wire.usage_export import BadExport, read

NOW = instant("2024-07-01T00:00:00Z")
EVER = (0, 2**62, NOW)
JUNE = 1_717_200_000  # 2024-06-01
DAY = 86_400

PAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket", "start_time": JUNE, "end_time": JUNE + DAY,
            "results": [
                {"object": "organization.usage.completions.result", "input_tokens": 1000, "output_tokens": 500,
                 "input_cached_tokens": 800, "num_model_requests": 5, "project_id": None, "model": "gpt-4o"},
                {"object": "organization.usage.completions.result", "input_tokens": 7, "output_tokens": 3,
                 "num_model_requests": 1, "model": "gpt-4"},
            ],
        },
        {"object": "bucket", "start_time": JUNE + DAY, "end_time": JUNE + 2 * DAY, "results": []},
    ],
    "has_more": False, "next_page": None,
}  # fmt: skip
OLD = {
    "object": "list",
    "data": [
        {"organization_id": "org-A", "organization_name": "Acme", "aggregation_timestamp": JUNE, "n_requests": 2,
         "operation": "completion", "snapshot_id": "gpt-3.5-turbo-0613", "n_context": 2, "n_context_tokens_total": 16,
         "n_generated": 2, "n_generated_tokens_total": 4},
    ],
    "ft_data": [], "whisper_api_data": [], "current_usage_usd": 0.0,
}  # fmt: skip
DASHBOARD = (
    "\ufeffstart_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,"
    "service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens\n"
    f"{JUNE},{JUNE + 60},2024-06-01T00:00:00Z,2024-06-01T00:01:00Z,proj_1,3.0,,key_1,gpt-4o,,,4212,1673,,4212\n"
    f"{JUNE},{JUNE + 60},2024-06-01T00:00:00Z,2024-06-01T00:01:00Z,proj_1,3.0,,key_2,gpt-4o,,,5904,1419,,5904\n"
    f"{JUNE + 60},{JUNE + 120},2024-06-01T00:01:00Z,2024-06-01T00:02:00Z,,,,,,,,,,,\n"
)
ACTIVITY = (
    "timestamp;usage_type;model;num_requests;operation;n_context_tokens_total;n_generated_tokens_total;organization_id\n"
    f"{JUNE};text;gpt-4;1;completion;10;5;org-B\n"
)
REQUESTS = (
    "request_id,created,model,prompt_tokens,completion_tokens\n"
    "a,2024-06-01 10:30:45,gpt-4o,150,75\nb,2024-06-01 10:30:45,gpt-4o,150,75\n"
)


@pytest.mark.parametrize(
    ("data", "shape", "tokens", "requests", "models", "organisations"),
    [
        (json.dumps(PAGE), "JSON", 1510, 6, {"gpt-4o": 1500, "gpt-4": 10}, ()),
        (json.dumps([PAGE, {**PAGE, "data": []}]), "JSON", 1510, 6, {"gpt-4o": 1500, "gpt-4": 10}, ()),
        (json.dumps(OLD), "JSON", 20, 2, {"gpt-3.5-turbo-0613": 20}, ("org-A",)),
        (json.dumps(OLD["data"]), "JSON", 20, 2, {"gpt-3.5-turbo-0613": 20}, ("org-A",)),
        (f"{json.dumps(OLD)}\n\n{json.dumps(PAGE)}\n", "JSON", 1530, 8,
         {"gpt-3.5-turbo-0613": 20, "gpt-4": 10, "gpt-4o": 1500}, ("org-A",)),
        (DASHBOARD, "CSV", 13_208, 6, {"gpt-4o": 13_208}, ()),
        (DASHBOARD.replace(",", "\t"), "CSV", 13_208, 6, {"gpt-4o": 13_208}, ()),
        (ACTIVITY, "CSV", 15, 1, {"gpt-4": 15}, ("org-B",)),
        (REQUESTS, "CSV", 450, 2, {"gpt-4o": 450}, ()),
    ],
)  # fmt: skip
def test_shapes(
    data: str, shape: str, tokens: int, requests: int, models: dict[str, int], organisations: tuple[str, ...]
) -> None:
    found = read(data.encode(), *EVER)
    assert (found.shape, found.tokens, found.requests, found.models) == (shape, tokens, requests, models)
    assert (found.organisations, found.strange, found.days) == (organisations, (), 1)


def test_what_was_not_read_is_told() -> None:
    found = read(DASHBOARD.encode(), *EVER)
    assert "input_uncached_tokens" in found.columns
    assert (found.rows, found.empty) == (2, 1)


def test_only_the_window_counts() -> None:
    page = read(json.dumps(PAGE).encode(), (JUNE + DAY) * SECOND, 2**62, NOW)
    assert (page.tokens, page.outside) == (0, 1510)
    assert read(ACTIVITY.encode(), 0, JUNE * SECOND, NOW).tokens == 0, "half open"
    assert read(ACTIVITY.encode(), JUNE * SECOND, 2**62, NOW).tokens == 15


def test_a_time_without_use_is_an_export_too() -> None:
    stamps = "2024-06-01T00:00:00+00:00,2024-06-02T00:00:00+00:00"
    empty = f"start_time,end_time,start_time_iso,end_time_iso\n{JUNE},{JUNE + DAY},{stamps}\n"
    assert (read(empty.encode(), *EVER).tokens, read(empty.encode(), *EVER).empty) == (0, 1)


@pytest.mark.parametrize(
    ("cells", "strange"),
    [
        (f"{JUNE},0,10,5", "without a request"),
        (f"{JUNE},1,9000000,5", "tokens a request"),
        (f"{JUNE + 60 * DAY},1,10,5", "to come"),
        (f"{JUNE},1,10,5\n{JUNE},1,10,5", "line 3 repeats another row"),
    ],
)
def test_what_is_strange_is_told(cells: str, strange: str) -> None:
    found = read(f"start_time,num_model_requests,input_tokens,output_tokens\n{cells}\n".encode(), *EVER)
    assert len(found.strange) == 1
    assert strange in found.strange[0]


def test_rows_that_repeat_count_once() -> None:
    assert read(json.dumps([PAGE, PAGE]).encode(), *EVER).tokens == 1510
    assert read(REQUESTS.encode(), *EVER).tokens == 450, "two requests may be alike"


def test_a_page_of_several_is_not_the_whole() -> None:
    assert read(json.dumps({**PAGE, "has_more": True}).encode(), *EVER).strange


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"a,b\n1,2\n", "line 1: none of the columns input_tokens"),
        (b"start_time,amount_value,amount_currency\n1,0.5,usd\n", "line 1: this is an export of costs"),
        (b"start_time,input_tokens\n1717200000,many\n", "line 2, input_tokens: 'many'"),
        (b"start_time,input_tokens\n1717200000,1.5\n", "line 2, input_tokens: '1.5'"),
        (b"start_time,input_tokens\n1717200000,-1\n", "line 2, input_tokens: '-1'"),
        (b"start_time,input_tokens\n1717200000,99999999999999999999\n", "line 2, input_tokens"),
        (b"start_time,input_tokens\nJune,5\n", "line 2, start_time: 'June' is no time"),
        (b"start_time,input_tokens\n,5\n", "line 2: it has tokens and no time"),
        (b"start_time,input_tokens\n1,2,3\n", "line 2: 3 cells under 2 columns"),
        (b'start_time,input_tokens\n1,"2\n', "line 2"),
        (b"start_time,input_tokens\n1,\xff\n", "line 2: this is not UTF-8"),
        (b"{", "line 1: this is no JSON"),
        (b"[1]", "expected an object"),
        (b'{"data": 1}', "data: expected a list"),
        (b'{"data": [{"start_time": 1, "results": [{"object": "organization.costs.result", "amount": {}}]}]}',
         "data[0].results[0]: this is an export of costs"),
        (b'{"data": [{"start_time": 1, "results": [{"input_tokens": true}]}]}', "data[0].results[0], input_tokens"),
    ],
)  # fmt: skip
def test_what_is_no_export_says_where(data: bytes, says: str) -> None:
    with pytest.raises(BadExport) as caught:
        read(data, *EVER)
    assert says in str(caught.value)


def test_too_large() -> None:
    with pytest.raises(BadExport, match="fewer days"):
        read(b"x" * ((16 << 20) + 1), *EVER)
