"""Exports of OpenAI usage → how much was used, when, by whom.

Read are (shapes seen in public files and in the API's reference, 2023 to 2026):

    usage API         {"object": "page", "data": [{"start_time", "results": [{"input_tokens", "output_tokens", …}]}]}
    dashboard, CSV    start_time,end_time,start_time_iso,…,num_model_requests,…,model,…,input_tokens,output_tokens,…
    before 2025       {"data": [{"aggregation_timestamp", "snapshot_id", "n_context_tokens_total", …}]}, or as CSV
    one row a request timestamp,model,prompt_tokens,completion_tokens,…

Several pages may stand in one file: as a list, or one a line.  Columns may come in any order, with others between; a
dashboard writes `3.0` for 3 and leaves cells of hours without use empty.  Cached input is a part of the input.  Costs
are no tokens and are refused.  A value that is not what its column says stops the reading: BadExport names the place.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from gapura.clock import SECOND, instant, text
from gapura.terms.programme import Measured

LARGEST = 16 << 20
DAY = 86_400 * SECOND
# No model takes more in one request; what claims to is no request.
MOST_A_REQUEST = 4_000_000

TIME = ("start_time", "aggregation_timestamp", "timestamp", "start_time_iso", "usage_date", "date", "created")
INPUT = ("input_tokens", "n_context_tokens_total", "prompt_tokens")
OUTPUT = ("output_tokens", "n_generated_tokens_total", "completion_tokens")
CACHED = ("input_cached_tokens", "n_cached_context_tokens_total")
REQUESTS = ("num_model_requests", "n_requests", "num_requests")
MODEL = ("model", "snapshot_id")
ORGANISATION = ("organization_id",)
KNOWN = (*TIME, *INPUT, *OUTPUT, *CACHED, *REQUESTS, *MODEL, *ORGANISATION)
COSTS = {"amount_value", "line_item", "amount", "cost", "n_credits"}
# The dashboard's file of a time without any use has these alone.
NOTHING_USED = {"start_time", "end_time", "start_time_iso", "end_time_iso"}

Row = tuple[str, Mapping[str, Any]]
"""Where it stands, and its cells."""


class BadExport(ValueError):
    """It cannot be read; says where, and what to hand in instead."""


class Use(NamedTuple):
    at: int
    model: str
    organisation: str
    requests: int
    input: int
    output: int


def read(data: bytes, since: int, until: int, now: int) -> Measured:
    """The use from `since` until before `until`.  Raises BadExport.

    >>> read(b"start_time,model,input_tokens,output_tokens\\n1717200000,gpt-4o,7,3\\n", 0, 2**62, 2**62).tokens
    10
    """
    if len(data) > LARGEST:
        raise BadExport(f"it has more than {LARGEST >> 20} MiB; export fewer days at a time, by day")
    try:
        written = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadExport(f"line {line}: this is not UTF-8") from None
    if not written.strip():
        raise BadExport("it is empty")
    reading = _Reading(since, until, now)
    if written.lstrip()[0] in "[{":
        shape, rows = "JSON", _of_json(written, reading)
    else:
        shape, rows = "CSV", _of_csv(written)
    for row in rows:
        reading.add(*row)
    return reading.measured(shape)


class _Reading:
    """Adds up rows."""

    def __init__(self, since: int, until: int, now: int) -> None:
        self._since, self._until, self._now = since, until, now
        self._uses: list[Use] = []
        self._seen: set[tuple[str, ...]] = set()
        self._columns: dict[str, None] = {}
        self.strange: dict[str, None] = {}
        self._empty = self._outside = 0

    def add(self, where: str, cells: Mapping[str, Any]) -> None:
        self._columns |= dict.fromkeys(name for name in cells if name not in KNOWN)
        numbers = [_number(cells, names, where) for names in (INPUT, OUTPUT, CACHED, REQUESTS)]
        given, made, cached, requests = (number or 0 for number in numbers)
        if not given and not made:
            self._empty += 1
            return
        counted = 1 if numbers[3] is None else requests
        at = _time(cells, where)
        row = tuple(f"{name}={value}" for name, value in sorted(cells.items()) if value not in {None, ""})
        if numbers[3] is not None:  # a row of a bucket stands for all that is alike; two requests may be
            if row in self._seen:
                self.strange[f"{where} repeats another row, and was not counted"] = None
                return
            self._seen.add(row)
        self._doubt(where, at, given, made, cached, counted)
        if not self._since <= at < self._until:
            self._outside += given + made
            return
        self._uses.append(Use(at, _word(cells, MODEL), _word(cells, ORGANISATION), counted, given, made))

    def measured(self, shape: str) -> Measured:
        models: Counter[str] = Counter()
        for use in self._uses:
            models[use.model] += use.input + use.output
        times = [use.at for use in self._uses]
        return Measured(
            shape=shape,
            organisations=tuple(sorted({use.organisation for use in self._uses} - {""})),
            first_at=min(times, default=0),
            last_at=max(times, default=0),
            days=len({at // DAY for at in times}),
            requests=sum(use.requests for use in self._uses),
            input=sum(use.input for use in self._uses),
            output=sum(use.output for use in self._uses),
            models=dict(sorted(models.items())),
            rows=len(self._uses),
            empty=self._empty,
            outside=self._outside,
            columns=tuple(self._columns),
            strange=tuple(self.strange),
        )

    def _doubt(self, where: str, at: int, given: int, made: int, cached: int, requests: int) -> None:
        if at > self._now:
            self.strange[f"{where} is of {text(at)}, which is to come"] = None
        if not requests:
            self.strange[f"{where} has tokens without a request"] = None
        elif (given + made) // requests > MOST_A_REQUEST:
            self.strange[f"{where} has {(given + made) // requests} tokens a request"] = None
        if cached > given:
            self.strange[f"{where} has more cached input than input"] = None


def _of_csv(written: str) -> Iterator[Row]:
    head = written.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    lines = csv.reader(io.StringIO(written, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(lines)]
        _check_header(header, "line 1")
        for cells in lines:
            if any(cells):
                if len(cells) != len(header):
                    raise BadExport(f"line {lines.line_num}: {len(cells)} cells under {len(header)} columns")
                yield f"line {lines.line_num}", dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise BadExport(f"line {lines.line_num}: {error}") from None


def _of_json(written: str, reading: _Reading) -> Iterator[Row]:
    """The rows of a page, of a list of pages or rows, or of one page a line."""
    try:
        pages: Any = msgspec.json.decode(written)
    except msgspec.DecodeError as error:
        pages = []
        for number, line in enumerate(written.splitlines(), 1):
            if line.strip():
                try:
                    pages.append(msgspec.json.decode(line))
                except msgspec.DecodeError:
                    raise BadExport(f"line {number}: this is no JSON ({error})") from None
    pages = pages if isinstance(pages, list) else [pages]
    more = [page.get("has_more") for page in pages if isinstance(page, dict)]
    if more and more[-1]:
        reading.strange["the last page says that there is another one"] = None
    for number, page in enumerate(pages):
        yield from _of_page(page, f"[{number}]" if len(pages) > 1 else "")


def _of_page(page: Any, where: str) -> Iterator[Row]:
    if not isinstance(page, dict):
        raise BadExport(f"{where or 'it'}: expected an object")
    data = page.get("data")
    if data is None:
        yield from _of_bucket(page, where or "the object")
        return
    if not isinstance(data, list):
        raise BadExport(f"{where}.data: expected a list")
    for number, bucket in enumerate(data):
        yield from _of_bucket(bucket, f"{where}.data[{number}]".lstrip("."))


def _of_bucket(bucket: Any, where: str) -> Iterator[Row]:
    if not isinstance(bucket, dict):
        raise BadExport(f"{where}: expected an object")
    if "results" not in bucket and "result" not in bucket:
        _check_header(bucket, where)
        yield where, bucket
        return
    times = {name: value for name, value in bucket.items() if name not in {"object", "results", "result"}}
    results = bucket.get("results", bucket.get("result"))
    if not isinstance(results, list):
        raise BadExport(f"{where}.results: expected a list")
    for number, result in enumerate(results):
        here = f"{where}.results[{number}]"
        if not isinstance(result, dict):
            raise BadExport(f"{here}: expected an object")
        _check_header(times | result, here)
        yield here, times | result


def _check_header(names: Iterable[str], where: str) -> None:
    names = set(names)
    if names.isdisjoint(INPUT) or names.isdisjoint(TIME):
        if names == NOTHING_USED:
            return
        if names & COSTS:
            raise BadExport(f"{where}: this is an export of costs; export the usage, which has tokens")
        missing = INPUT if names.isdisjoint(INPUT) else TIME
        raise BadExport(f"{where}: none of the columns {', '.join(missing)} is there; is it an export of usage?")


def _number(cells: Mapping[str, Any], names: tuple[str, ...], where: str) -> int | None:
    """None where no such column is there, or its cell is empty."""
    for name in names:
        value = cells.get(name)
        if value is None or value == "":
            continue
        found = _whole(value)
        if found is None:
            raise BadExport(f"{where}, {name}: {value!r} is no number of at least 0")
        return found
    return None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = value.strip()
        whole, _, rest = digits.partition(".")
        return int(whole) if whole.isdecimal() and whole.isascii() and not rest.strip("0") and len(whole) < 19 else None  # noqa: PLR2004 - what an int64 holds
    if isinstance(value, float):
        return int(value) if value.is_integer() and 0 <= value < 2**53 else None
    return value if isinstance(value, int) and 0 <= value < 2**62 else None


def _time(cells: Mapping[str, Any], where: str) -> int:
    for name in TIME:
        value = cells.get(name)
        if value is None or value == "":
            continue
        if (seconds := _whole(value)) is not None:
            return seconds * SECOND
        try:
            stamp = datetime.fromisoformat(str(value).strip())
            return instant(stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            raise BadExport(f"{where}, {name}: {value!r} is no time") from None
    raise BadExport(f"{where}: it has tokens and no time")


def _word(cells: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(cells[name])[:200] for name in names if cells.get(name)), "")
