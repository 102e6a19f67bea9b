"""What an account used and what it cost, as OpenAI's administration API tells it: pages of buckets of time.

GET /v1/organization/usage/completions            start_time, end_time, bucket_width (1m 1h 1d), group_by, models,
GET /v1/organization/usage/images                 api_key_ids, limit, page
GET /v1/organization/usage/audio_speeches
GET /v1/organization/usage/audio_transcriptions
GET /v1/organization/costs

Times are seconds since 1970.  The first bucket begins at `start_time`, all others at a whole minute, hour or day (UTC).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from gapura.clock import SECOND
from gapura.errors import BadRequest

USAGE = "/v1/organization/usage/completions"
COSTS = "/v1/organization/costs"
COUNTED = {
    "/v1/organization/usage/images": "images",
    "/v1/organization/usage/audio_transcriptions": "seconds",
    "/v1/organization/usage/audio_speeches": "characters",
}
"""Where it is asked for what is not in tokens → what is counted there (`gapura.terms.usage.UNITS`)."""

WIDTHS = {"1m": 60, "1h": 3600, "1d": 86_400}
LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
COST_LIMIT = (7, 180)
GROUPS = ("api_key_id", "model", "project_id", "user_id", "batch", "service_tier")
COST_GROUPS = ("line_item", "project_id", "api_key_id")
LISTS = {"group_by", "models", "api_key_ids"}
KNOWN = {"start_time", "end_time", "bucket_width", "limit", "page", *LISTS}
LATEST = 2**33


class Asked(NamedTuple):
    """A question, read.  Seconds since 1970; `starts` are the beginnings of the buckets, `ends` the end of the last;
    `more`: whether there are buckets behind it."""

    starts: tuple[int, ...]
    ends: int
    more: bool
    width: int
    groups: tuple[str, ...]
    models: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def span(self) -> tuple[int, int]:
        """UTC microseconds."""
        return self.starts[0] * SECOND, self.ends * SECOND

    def bucket(self, second: int) -> int:
        """The beginning of the bucket that a second is in."""
        return max(second // self.width * self.width, self.starts[0])


class Used(NamedTuple):
    """What was used in one bucket by one key and model; `counted`: of what a path of COUNTED asks for."""

    start: int
    key: str
    model: str
    requests: int
    input: int
    output: int
    cached: int
    counted: int


class Spent(NamedTuple):
    """What one bucket cost at one model, in billionths."""

    start: int
    key: str
    model: str
    currency: str
    amount: int


def read(path: str, query: str, now: int) -> Asked:
    """`now` in seconds.  Raises BadRequest naming the parameter."""
    said: dict[str, str] = {}
    lists: dict[str, list[str]] = {name: [] for name in LISTS}
    for raw, value in parse_qsl(query, keep_blank_values=True, max_num_fields=200):
        name = raw.removesuffix("[]")
        if name not in KNOWN:
            raise BadRequest(f"There is no parameter {name}, or it is not supported here.", param=name)
        if name in LISTS:
            lists[name] += value.split(",")
        else:
            said[name] = value
    width_name = said.get("bucket_width", "1d")
    if width_name not in WIDTHS or (path == COSTS and width_name != "1d"):
        raise BadRequest(f"bucket_width {width_name} is not supported here.", param="bucket_width")
    width = WIDTHS[width_name]
    usual, most = COST_LIMIT if path == COSTS else LIMITS[width_name]
    begin = _number(said, "start_time", None, LATEST)
    end = min(_number(said, "end_time", now + width, LATEST), (now // width + 1) * width)
    limit = _number(said, "limit", usual, most)
    if "page" in said:
        begin = max(begin, _page(said["page"]))
    if end <= begin:
        end = begin + 1
    allowed = COST_GROUPS if path == COSTS else GROUPS
    for name in lists["group_by"]:
        if name not in allowed:
            raise BadRequest(f"group_by {name} is none of {', '.join(allowed)}.", param="group_by")
    starts = [begin]
    while len(starts) <= limit and (after := (starts[-1] // width + 1) * width) < end:
        starts.append(after)
    more = len(starts) > limit
    ends = starts.pop() if more else end
    return Asked(
        tuple(starts), ends, more, width, *(tuple(lists[name]) for name in ("group_by", "models", "api_key_ids"))
    )


def usage_page(path: str, asked: Asked, used: Iterable[Used]) -> bytes:
    """The answer to USAGE, or to a path of COUNTED."""
    sums: dict[int, dict[tuple[str, str], list[int]]] = {}
    for one in used:
        group = (one.key if "api_key_id" in asked.groups else "", one.model if "model" in asked.groups else "")
        of = sums.setdefault(one.start, {}).setdefault(group, [0] * len(one[3:]))
        for place, amount in enumerate(one[3:]):
            of[place] += amount
    results = {
        start: [_result(path, *group, *of) for group, of in sorted(groups.items())] for start, groups in sums.items()
    }
    return _pages(asked, results)


def costs_page(asked: Asked, spent: Iterable[Spent]) -> bytes:
    """The answer to COSTS; one result a currency, since nothing is exchanged."""
    sums: dict[int, dict[tuple[str, str, str], int]] = {}
    for one in spent:
        line = one.model if "line_item" in asked.groups else ""
        group = (one.currency, line, one.key if "api_key_id" in asked.groups else "")
        of = sums.setdefault(one.start, {})
        of[group] = of.get(group, 0) + one.amount
    results = {start: [_cost(*group, of) for group, of in sorted(groups.items())] for start, groups in sums.items()}
    return _pages(asked, results)


def _pages(asked: Asked, results: Mapping[int, Sequence[Any]]) -> bytes:
    ends = (*asked.starts[1:], asked.ends)
    data = [
        {"object": "bucket", "start_time": start, "end_time": end, "results": results.get(start, [])}
        for start, end in zip(asked.starts, ends, strict=True)
    ]
    after = f"page_{asked.ends:x}" if asked.more else None
    return msgspec.json.encode({"object": "page", "data": data, "has_more": asked.more, "next_page": after})


def _result(path: str, key: str, model: str, requests: int, *used: int) -> dict[str, Any]:
    given, made, cached, counted = used
    if unit := COUNTED.get(path):
        told: dict[str, Any] = {unit: counted}
        none = ("size", "source") if unit == "images" else ()
    else:
        told = {"input_tokens": given, "output_tokens": made, "input_cached_tokens": cached}
        told |= {"input_audio_tokens": 0, "output_audio_tokens": 0}
        none = ("batch", "service_tier")
    return {
        "object": f"organization.usage.{path.rpartition('/')[2]}.result",
        **told,
        "num_model_requests": requests,
        "project_id": None,
        "user_id": None,
        "api_key_id": key or None,
        "model": model or None,
        **dict.fromkeys(none),
    }


def _cost(currency: str, line: str, key: str, amount: int) -> dict[str, Any]:
    whole, part = divmod(amount, 10**9)
    value = msgspec.Raw(f"{whole}.{part:09d}".encode())  # digits, since no float has them all
    found = {"object": "organization.costs.result", "amount": {"value": value, "currency": currency.lower()}}
    return found | {"line_item": line or None, "project_id": None, "api_key_id": key or None}


def _number(said: Mapping[str, str], name: str, default: int | None, most: int) -> int:
    if name not in said:
        if default is None:
            raise BadRequest(f"Missing required parameter: '{name}'.", param=name)
        return default
    value = said[name]
    if not (value.isascii() and value.isdecimal() and len(value) < 12) or not 1 <= int(value) <= most:  # noqa: PLR2004 - digits of a second
        raise BadRequest(f"{name} must be a whole number from 1 to {most}.", param=name)
    return int(value)


def _page(page: str) -> int:
    try:
        return int(page.removeprefix("page_"), 16)
    except ValueError:
        raise BadRequest("page must be the next_page of an answer.", param="page") from None
