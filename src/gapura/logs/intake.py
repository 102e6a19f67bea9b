"""Files → `seen`: requests and tokens by address, account, key, model and day; and how reading went.

Each file is one statement: whatever is wrong with it, it counts as a whole or not at all, and the next one goes on.
"""

import re

from gapura.errors import GapuraError
from gapura.logs import formats
from gapura.logs.engine import Engine
from gapura.logs.fields import BadField, Fields, chosen
from gapura.logs.files import Log
from gapura.logs.result import File, Unreadable

DAY = 86_400_000_000
SAMPLES = 5
LONGEST = 120

_OUTSIDE = -1
"""In place of a day, for what is not within the window; NULL stands for what was unreadable."""

_TABLE = """
CREATE TABLE raw (file USMALLINT, address VARCHAR, account VARCHAR, key VARCHAR, model VARCHAR,
                  day INTEGER, requests BIGINT, tokens BIGINT, first BIGINT, last BIGINT)"""
# Ids are public; a key itself is shortened to what its owner knows it by, and a hash that tells it from others.
_SHORTENED = r"""
CASE WHEN length(bare) < 20 OR regexp_matches(bare, '^key_[0-9a-f]{32}$') THEN bare
     ELSE left(bare, 7) || '…' || left(sha256(bare), 8) END"""
_SECRET = re.compile(r"[A-Za-z0-9_+/=-]{20,}")


class Intake:
    """`files` and `samples` fill as files are taken in."""

    def __init__(self, engine: Engine, wanted: Fields, window: tuple[int, int], *, by_model: bool) -> None:
        self._engine, self._wanted, self._window, self._by_model = engine, wanted, window, by_model
        self.files: list[File] = []
        self.samples: list[Unreadable] = []
        self.fields: list[Fields] = []
        engine.run(_TABLE)

    def take(self, log: Log) -> None:
        """Raises BadField where an option names a field that the file does not have: that is the caller's mistake."""
        if log.broken:
            self.files.append(_file(log, "", Fields(), (0, 0, 0), log.broken))
            return
        kind, fields = "", Fields()
        try:
            layout = formats.told(self._engine, log)
            kind = layout.kind
            if kind == "empty" and self._rejects():
                raise formats.Unknown("no line of it is text")
            self._forget_rejects()  # those of the lines by which it was told
            if kind != "empty":
                fields = chosen(self._wanted, layout.seen, log.shown)
            rows = layout.select(fields)
            self._insert(rows, fields)
            counted = self._counted(rows, log) if kind != "empty" else (0, 0, 0)
        except BadField:
            raise
        except (OSError, GapuraError, self._engine.failure) as error:
            self._forget_rejects()
            self.files.append(_file(log, kind, fields, (0, 0, 0), _told(error)))
        else:
            self.files.append(_file(log, kind, fields, counted, ""))
            self.fields.append(fields)

    def finish(self) -> None:
        """`raw` → `seen`."""
        named = "account, key"
        if any(fields.key for fields in self.fields):
            named = f"CASE WHEN account = '' THEN {_SHORTENED} ELSE account END AS account, {_SHORTENED} AS key"
        columns = f"address, {named}, model, day, requests, tokens, first, last"
        self._engine.run(f"CREATE VIEW seen AS SELECT {columns} FROM ({self._grouped()})")

    def _grouped(self) -> str:
        """Of one file it is grouped already."""
        bare = "regexp_replace(key, '^(?i:bearer) +', '') AS bare"
        if len(self.fields) < 2:  # noqa: PLR2004 - nothing to put together
            return f"SELECT *, {bare} FROM raw WHERE day >= 0"
        sums = (
            "sum(requests)::BIGINT AS requests, sum(tokens)::BIGINT AS tokens, min(first) AS first, max(last) AS last"
        )
        return f"SELECT address, account, key, {bare}, model, day, {sums} FROM raw WHERE day >= 0 GROUP BY ALL"

    def _insert(self, rows: str, fields: Fields) -> None:
        """Grouped by no more than what the file has: every column makes the groups, which may not fit, larger."""
        since, until = self._window
        within = " AND ".join([*([f"stamp >= {since}"] if since else []), *([f"stamp < {until}"] if until else [])])
        day = f"(stamp // {DAY})::INTEGER"
        day = f"CASE WHEN {within} THEN {day} ELSE {_OUTSIDE} END" if within else day
        kept = {"address": True, "account": fields.account, "key": fields.key, "model": fields.model and self._by_model}
        names = ", ".join(one if there else "''" for one, there in kept.items())
        tokens = "sum(tokens)::BIGINT" if fields.tokens else "0"
        span = "min(stamp), max(stamp)" if fields.time else "0, 0"
        self._engine.run(f"""
            INSERT INTO raw
            SELECT {len(self.files)}, {names}, day, count(*), {tokens}, {span}
            FROM (SELECT *, CASE WHEN address IS NOT NULL THEN {day} END AS day FROM ({rows}))
            GROUP BY {", ".join(one for one, there in kept.items() if there)}, day""")

    def _counted(self, rows: str, log: Log) -> tuple[int, int, int]:
        """Lines, unreadable ones, and those outside the window."""
        unreadable, outside, read = self._engine.row(f"""
            SELECT coalesce(sum(requests) FILTER (day IS NULL), 0)::BIGINT,
                   coalesce(sum(requests) FILTER (day = {_OUTSIDE}), 0)::BIGINT,
                   coalesce(sum(requests) FILTER (day >= 0), 0)::BIGINT
            FROM raw WHERE file = {len(self.files)}""")
        rejected = self._rejected(log)
        room = SAMPLES - len(self.samples)
        if unreadable and room > 0:
            which = "address IS NULL OR stamp IS NULL"
            asked = f"SELECT left(line, 400), address IS NULL FROM ({rows}) WHERE {which} LIMIT {room}"
            for line, no_address in self._engine.rows(asked):
                self._sample(log, line, "no address" if no_address else "no time")
            self._forget_rejects()
        return unreadable + outside + read + rejected, unreadable + rejected, outside

    def _rejected(self, log: Log) -> int:
        """Lines that DuckDB itself could not make sense of: no UTF-8, too long, too many columns."""
        count = self._rejects()
        room = SAMPLES - len(self.samples)
        if count and room > 0:
            told = "left(csv_line, 400), lower(error_type::VARCHAR)"
            asked = f"SELECT DISTINCT ON (line) {told} FROM reject_errors ORDER BY line LIMIT {room}"
            for line, why in self._engine.rows(asked):
                self._sample(log, line, why)
        self._forget_rejects()
        return count

    def _rejects(self) -> int:
        try:
            return int(self._engine.row("SELECT count(DISTINCT line) FROM reject_errors")[0])
        except self._engine.failure:
            return 0  # the table is there once a reader of lines has run

    def _forget_rejects(self) -> None:
        for table in ("reject_errors", "reject_scans"):
            self._engine.run(f"DROP TABLE IF EXISTS {table}")

    def _sample(self, log: Log, line: str, why: str) -> None:
        self.samples.append(Unreadable(file=log.shown, line=shortened(line), why=why))


def shortened(line: str) -> str:
    """What may be shown of a line: not all of it, and no long word whole, because that may be a key.

    >>> shortened("Authorization: Bearer sk-proj-abcdefghijklmnopqrstuvwxyz")
    'Authorization: Bearer sk-p…'
    """
    masked = _SECRET.sub(lambda word: f"{word[0][:4]}…", line.strip())
    return masked if len(masked) <= LONGEST else f"{masked[:LONGEST]}…"


def _file(log: Log, kind: str, fields: Fields, counted: tuple[int, int, int], broken: str) -> File:
    lines, unreadable, outside = counted
    return File(
        path=log.shown, kind=kind, lines=lines, unreadable=unreadable, outside=outside, fields=fields.named(),
        broken=broken,
    )  # fmt: skip


def _told(error: Exception) -> str:
    return shortened(" ".join(str(error).split()))
