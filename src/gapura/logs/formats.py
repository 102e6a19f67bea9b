"""Layouts of logs, as SQL: each file becomes rows of address, account, key, model, stamp, tokens and line.

`stamp` is in UTC microseconds; `line` is the text for people who ask what was unreadable.  A row whose address or
time is NULL was not readable.  Whatever a file holds stays within literals and identifiers that `engine` quotes.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from gapura.errors import BadRequest
from gapura.logs.engine import Engine, name, text
from gapura.logs.fields import Fields
from gapura.logs.files import Log

SAMPLE = 200
"""Lines that a layout is told by."""

_ADDRESS = r"[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]+"
_COMBINED = r'^(\S+) \S+ (.+?) \[([^\]]+)\] "'
_REST = r'"((?:[^"\\]|\\.)*)" (\d{3}|-) (\S+)(.*)$'
_ITEM = r'"(?:[^"\\]|\\.)*"|\S+'
_PAIR = re.compile(r'(?:^|[\s",;])([A-Za-z_][\w.-]*)=')
_TAIL = ("request", "status", "bytes")
_EXTRA = re.compile(r"extra([1-9])")
_DELIMITERS = ",\t;|"


class Unknown(BadRequest):
    """A file of no layout that we know; it is passed over as a broken one."""


class Layout(msgspec.Struct, frozen=True):
    """`seen` are the names of its fields; `select` makes the SQL for those that were chosen; `lines`: it consists of
    lines, of which some may be unreadable."""

    kind: str
    seen: Sequence[str]
    select: Callable[[Fields], str]


def told(engine: Engine, log: Log) -> Layout:
    """Raises Unknown, and whatever DuckDB raises for a file that it cannot read."""
    if log.packing == "parquet":
        return _parquet(engine, log)
    lines = [row[0] for row in engine.rows(f"SELECT line FROM {_lines(log)} WHERE line IS NOT NULL LIMIT {SAMPLE}")]
    if not lines:
        return Layout("empty", ("address",), lambda _: f"SELECT {_row({})} FROM {_lines(log)} WHERE false")
    for reader in (_json, _w3c, _combined, _csv):
        if layout := reader(log, lines):
            return layout
    raise Unknown(
        "it is none of: nginx/Apache combined, JSON lines, CSV with named columns, W3C extended, Parquet;"
        f" its first line is {lines[0][:60]!r}"
    )


def _parquet(engine: Engine, log: Log) -> Layout:
    source = f"read_parquet({_quoted(log)})"
    types = {str(row[0]): str(row[1]) for row in engine.rows(f"DESCRIBE SELECT * FROM {source}")}

    def select(fields: Fields) -> str:
        values = {role: name(field) for role, field in fields.named().items() if role not in {"time", "tokens"}}
        if fields.time:
            first = types.get(fields.time, "")
            stamp = _joined(fields.time, lambda one: f"CAST({name(one)} AS VARCHAR)")
            if first.startswith("TIMESTAMP"):
                values["time"] = f"epoch_us({name(fields.time)})"
            elif first == "DATE":
                values["time"] = f"epoch_us(CAST({name(fields.time)} AS TIMESTAMP))"
            elif first.endswith("INT") or first in {"INTEGER", "DOUBLE", "FLOAT"}:
                values["time"] = _scaled(name(fields.time))
            else:
                values["time"] = _instant(stamp)
        if fields.tokens:
            values["tokens"] = _sum(fields.tokens, name)
        return f"SELECT {_row(values)}, '' AS line FROM {source}"

    return Layout("parquet", tuple(types), select)


def _json(log: Log, lines: Sequence[str]) -> Layout | None:
    paths: dict[str, str] = {}
    objects = 0
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            objects += 1
            paths |= dict(_paths(entry))
    if objects * 2 < len(lines):
        return None

    def select(fields: Fields) -> str:
        taken = list(dict.fromkeys(one for field in fields.named().values() for one in _parts(field, paths)))
        listed = ", ".join(text(paths[one]) for one in taken)
        values = _texts(fields, lambda one: f"found[{taken.index(one) + 1}]", paths)
        found = f"line, CASE WHEN json_valid(line) THEN json_extract_string(line, [{listed}]) END AS found"
        return f"SELECT {_row(values)}, line FROM (SELECT {found} FROM {_lines(log)} WHERE line IS NOT NULL)"

    return Layout("json", tuple(paths), select)


def _paths(entry: dict[str, Any], above: str = "", shown: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names of the members, and where DuckDB finds them; of an array (a header, say) the first."""
    for member, value in entry.items():
        path, dotted = f'{above or "$"}."{member}"', f"{shown}{member}"
        if '"' in member or "\\" in member:
            continue
        if isinstance(value, dict):
            yield from _paths(value, path, f"{dotted}.")
        else:
            yield dotted, f"{path}[0]" if isinstance(value, list) else path


def _w3c(log: Log, lines: Sequence[str]) -> Layout | None:
    """CloudFront's and IIS's: the names stand in a comment."""
    head = next((line for line in lines if line.startswith("#Fields:")), "")
    seen = head.removeprefix("#Fields:").split()
    if not seen:
        return None
    gap = "\t" if any("\t" in line for line in lines if not line.startswith("#")) else " "

    def select(fields: Fields) -> str:
        values = _texts(fields, lambda one: f"nullif(found[{seen.index(one) + 1}], '-')", seen)
        found = f"string_split(line, {text(gap)}) AS found"
        return f"SELECT {_row(values)}, line FROM (SELECT line, {found} FROM {_lines(log)} WHERE line[1] <> '#')"

    return Layout("w3c", seen, select)


def _combined(log: Log, lines: Sequence[str]) -> Layout | None:
    matched = [line for line in lines if re.search(r'^\S+ .*\[[^\]]+\] "', line)]
    if len(matched) * 2 < len(lines):
        return None
    # A virtual host stands before the address where the server writes one.
    hosts = sum(not re.match(rf"(?:{_ADDRESS}|-) ", line) for line in matched)
    head = rf"^\S+ {_COMBINED[1:]}" if hosts * 2 > len(matched) else _COMBINED
    pairs = sorted({found for line in matched for found in _PAIR.findall(line.partition('] "')[2])})
    seen = [
        "remote_addr",
        "remote_user",
        "time_local",
        *_TAIL,
        "referer",
        "agent",
        *(f"extra{n}" for n in range(1, 10)),
    ]

    def value(field: str) -> str:
        if field in seen[:3]:
            return f"head.{field}"
        if field in _TAIL:
            return f"tail.{field}"
        if field in pairs:
            return f"regexp_extract(tail.rest, {text(_pair(field))}, 1)"
        place = 1 if field == "referer" else 2 if field == "agent" else 2 + int(field.removeprefix("extra"))
        return f"trim(regexp_extract_all(tail.rest, {text(_ITEM)})[{place}], '\"')"

    def select(fields: Fields) -> str:
        every = [*seen, *pairs]
        values = _texts(fields, lambda one: f"nullif(nullif({value(one)}, '-'), '')", every)
        names = "['remote_addr', 'remote_user', 'time_local']"
        columns = f"line, regexp_extract(line, {text(head)}, {names}) AS head"
        if any(one not in seen[:3] for field in fields.named().values() for one in _parts(field, every)):
            columns += f", regexp_extract(line, {text(_REST)}, ['request', 'status', 'bytes', 'rest']) AS tail"
        return f"SELECT {_row(values)}, line FROM (SELECT {columns} FROM {_lines(log)} WHERE line IS NOT NULL)"

    return Layout("combined", [*seen, *pairs], select)


def _csv(log: Log, lines: Sequence[str]) -> Layout | None:
    delimiter = max(_DELIMITERS, key=lines[0].count)
    seen = [column.strip() for column in next(csv.reader([lines[0]], delimiter=delimiter))]
    if len(set(seen)) < len(seen) or not all(re.match(r"[^\W\d]", column) for column in seen):
        return None
    if len(lines) > 1 and all(delimiter not in line for line in lines[1:]) and len(seen) > 1:
        return None
    columns = ", ".join(f"{text(column)}: 'VARCHAR'" for column in seen)
    source = (
        f"read_csv({_quoted(log)}, columns={{{columns}}}, delim={text(delimiter)}, header=true, quote='\"',"
        f" escape='\"', {_COMMON}, compression={text(log.packing)})"
    )

    def select(fields: Fields) -> str:
        values = _texts(fields, name, seen)
        line = f"concat_ws({text(delimiter)}, {', '.join(map(name, seen))})"
        return f"SELECT {_row(values)}, {line} AS line FROM {source}"

    return Layout("csv", seen, select)


_COMMON = "auto_detect=false, ignore_errors=true, store_rejects=true, max_line_size=1048576"


def _lines(log: Log) -> str:
    return (
        f"read_csv({_quoted(log)}, columns={{'line': 'VARCHAR'}}, delim='\x02', header=false, quote='', escape='',"
        f" {_COMMON}, compression={text(log.packing)})"
    )


def _quoted(log: Log) -> str:
    """The path; what would be a pattern to DuckDB is put into brackets."""
    return text("".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(log.path)))


def _row(values: dict[str, str]) -> str:
    """The columns that every layout has in common, in this order."""
    address = values.get("address", "NULL")
    if territory := values.get("territory"):
        address = f"coalesce(nullif({address}, ''), 'territory:' || nullif({territory}, ''))"
    given = {"address": address, "account": "''", "key": "''", "model": "''"}
    given |= {role: f"coalesce({values[role]}, '')" for role in ("account", "key", "model") if role in values}
    given |= {"stamp": values.get("time", "CAST(0 AS BIGINT)"), "tokens": values.get("tokens", "CAST(0 AS BIGINT)")}
    return ", ".join(f"{value} AS {role}" for role, value in given.items())


def _texts(fields: Fields, value: Callable[[str], str], seen: Sequence[str] | dict[str, str]) -> dict[str, str]:
    """Values of a layout in which everything is text."""
    values = {role: value(field) for role, field in fields.named().items() if role not in {"time", "tokens"}}
    if "address" in values:
        values["address"] = f"nullif({values['address']}, '')"
    if fields.time:
        values["time"] = _instant(" || ' ' || ".join(value(one) for one in _parts(fields.time, seen)))
    if fields.tokens:
        summed = (f"coalesce(TRY_CAST({value(one)} AS BIGINT), 0)" for one in _parts(fields.tokens, seen))
        values["tokens"] = " + ".join(summed)
    return values


def _parts(field: str, seen: Sequence[str] | dict[str, str]) -> list[str]:
    return [field] if field in seen else field.split("+")


def _joined(field: str, value: Callable[[str], str]) -> str:
    return " || ' ' || ".join(value(one) for one in field.split("+"))


def _sum(field: str, value: Callable[[str], str]) -> str:
    return " + ".join(f"coalesce(TRY_CAST({value(one)} AS BIGINT), 0)" for one in field.split("+"))


def _instant(stamp: str) -> str:
    """Microseconds of a text: a number in s, ms, µs or ns, ISO 8601 (UTC where it has no offset), or as nginx and
    Apache write it."""
    return (
        f"CASE WHEN {stamp} LIKE '__/___/____:%' THEN epoch_us(try_strptime({stamp}, '%d/%b/%Y:%H:%M:%S %z'))"
        f" WHEN {stamp} LIKE '____-__-__%' THEN epoch_us(TRY_CAST({stamp} AS TIMESTAMPTZ))"
        f" ELSE {_scaled(f'TRY_CAST({stamp} AS DOUBLE)')} END"
    )


def _scaled(number: str) -> str:
    """By its size: seconds until 1e11 (the year 5138), milliseconds until 1e14, microseconds until 1e17."""
    return (
        f"CAST(CASE WHEN {number} < 1e11 THEN {number} * 1e6 WHEN {number} < 1e14 THEN {number} * 1e3"
        f" WHEN {number} < 1e17 THEN {number} ELSE {number} / 1e3 END AS BIGINT)"
    )


def _pair(field: str) -> str:
    """What follows `field=`."""
    return f'(?:^|[ ",;]){re.escape(field)}="?([^" ,;]*)'
