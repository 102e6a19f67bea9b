"""`judged` → the numbers of a Backtest.

Everything below is counted from four tables that are made once: `rollup` (account, key, combination), `daily`
(account, day), `hit_addresses`, and `hit_accounts` with what each of them is.
"""

from typing import Any

import msgspec

from gapura.logs.engine import Engine
from gapura.logs.intake import DAY
from gapura.logs.result import (
    Change,
    ChangeRow,
    Count,
    DayRow,
    EffectRow,
    Hit,
    NetworkRow,
    OverrideRow,
    PrefixRow,
    Question,
    ReasonRow,
    TerritoryRow,
)  # fmt: skip
from gapura.logs.verdicts import RANK, Combination
from gapura.terms.rulebook import STRICTNESS

HOSTING = "('hosting', 'vpn', 'tor')"

BLOCK = """
CREATE MACRO prefix(block) AS CASE
    WHEN block = 0 THEN ''
    WHEN block < 9223372036854775808
    THEN concat((block >> 16) & 255, '.', (block >> 8) & 255, '.', block & 255, '.0/24')
    ELSE format('{:x}:{:x}:{:x}::/48', (block >> 32) & 65535, (block >> 16) & 65535, block & 65535) END"""

_TABLES = (
    """
    CREATE TABLE rollup AS
    SELECT account, key, combination, sum(requests)::BIGINT AS requests, sum(tokens)::BIGINT AS tokens,
           min(first) AS first, max(last) AS last
    FROM judged GROUP BY ALL""",
    """
    CREATE TABLE daily AS
    SELECT account, day, sum(requests)::BIGINT AS requests, coalesce(sum(requests) FILTER (hit), 0)::BIGINT AS hits
    FROM judged GROUP BY ALL""",
    """
    CREATE TABLE hit_addresses AS
    SELECT address, any_value(place) AS place, sum(requests)::BIGINT AS requests, sum(tokens)::BIGINT AS tokens
    FROM judged WHERE hit GROUP BY address""",
    "CREATE VIEW rolled AS SELECT r.*, c.* EXCLUDE (combination) FROM rollup r JOIN combinations c USING (combination)",
    """
    CREATE TABLE places AS
    SELECT place, any_value(territory) AS territory, any_value(network) AS network FROM combinations GROUP BY place""",
    BLOCK,
)
# One visit from a certain place where the account is not hit makes it a traveller; an uncertain one proves nothing.
_HIT_ACCOUNTS = """
CREATE TABLE hit_accounts AS
WITH places AS (
    SELECT account, territory, bool_or(certain) AS certain, sum(requests) FILTER (hit) AS hits,
           bool_or(hit AND certain) AS surely, bool_or(hit AND network NOT IN {hosting}) AS at_home
    FROM rolled WHERE account > 0 GROUP BY ALL
), whole AS (
    SELECT account, bool_or(certain AND hits IS NULL) AS elsewhere, bool_or(surely) AS surely,
           bool_or(at_home) AS at_home
    FROM places GROUP BY account HAVING count(hits) > 0
), days AS (SELECT account, count(*) AS days FROM daily WHERE hits > 0 GROUP BY account)
SELECT *, CASE WHEN elsewhere THEN 'traveller' WHEN days >= {days} THEN 'only-here' ELSE 'too-few-days' END AS standing
FROM whole JOIN days USING (account)"""

_COUNTS = (
    "count(DISTINCT nullif(account, 0)) AS accounts, count(DISTINCT nullif(key, '')) AS keys,"
    " coalesce(sum(requests), 0)::BIGINT AS requests, coalesce(sum(tokens), 0)::BIGINT AS tokens"
)


class Figures:
    """Over one `judged`.  `top`: rows of lists that have no natural end."""

    def __init__(self, engine: Engine, combinations: list[Combination], question: Question, top: int) -> None:
        self._engine, self._combinations, self._top = engine, combinations, top
        self._least, self._compared = RANK[question.hit], question.against is not None
        for table in _TABLES:
            engine.run(table)
        engine.run(_HIT_ACCOUNTS.format(days=question.min_days, hosting=HOSTING))

    def seen(self) -> Count:
        addresses = self._engine.row("SELECT count(*) FROM addresses WHERE NOT starts_with(address, 'territory:')")[0]
        return Count(**self._one(f"SELECT {_COUNTS} FROM rolled"), addresses=addresses)

    def hit(self) -> Hit:
        counted = self._one(f"""
            SELECT {_COUNTS}, count(DISTINCT territory) FILTER (certain) AS territories,
                   coalesce(sum(requests) FILTER (account = 0), 0)::BIGINT AS without_account,
                   coalesce(sum(requests) FILTER (NOT certain), 0)::BIGINT AS uncertain,
                   coalesce(sum(requests) FILTER (network IN {HOSTING}), 0)::BIGINT AS hosting
            FROM rolled WHERE hit""")
        accounts = self._one("""
            SELECT count(*) FILTER (standing = 'only-here') AS only_here,
                   count(*) FILTER (standing = 'too-few-days') AS too_few_days,
                   count(*) FILTER (standing = 'traveller') AS travellers,
                   count(*) FILTER (NOT surely) AS uncertain_accounts,
                   count(*) FILTER (NOT at_home) AS hosting_accounts
            FROM hit_accounts""")
        return Hit(**counted, **accounts, addresses=self._engine.row("SELECT count(*) FROM hit_addresses")[0])

    def effects(self) -> tuple[EffectRow, ...]:
        found = self._all(f"SELECT effect, {_COUNTS} FROM rolled GROUP BY effect ORDER BY effect DESC")
        return tuple(EffectRow(**row | {"effect": STRICTNESS[row["effect"]]}) for row in found)

    def territories(self) -> tuple[TerritoryRow, ...]:
        seen, hit = self._by("territory")
        only = dict(
            self._engine.rows("""
            SELECT territory, count(DISTINCT account) FROM rolled JOIN hit_accounts USING (account)
            WHERE hit AND standing = 'only-here' GROUP BY territory""")
        )
        changed = {
            territory: (blocked, released)
            for territory, blocked, released in self._engine.rows(f"""
                SELECT territory, coalesce(sum(requests) FILTER (hit AND before < {self._least}), 0)::BIGINT,
                       coalesce(sum(requests) FILTER (NOT hit AND before >= {self._least}), 0)::BIGINT
                FROM rolled WHERE {self._compared} GROUP BY territory""")
        }
        rows = [
            TerritoryRow(
                territory=one, seen=seen[one], hit=hit.get(one, Count()), only_here=only.get(one, 0),
                blocked=changed.get(one, (0, 0))[0], released=changed.get(one, (0, 0))[1],
            )
            for one in seen
        ]  # fmt: skip
        return tuple(sorted(rows, key=lambda row: (-row.hit.requests, -row.seen.requests, row.territory)))

    def networks(self) -> tuple[NetworkRow, ...]:
        seen, hit = self._by("network")
        rows = [NetworkRow(network=one, seen=seen[one], hit=hit.get(one, Count())) for one in seen]  # type: ignore[arg-type]  # the column holds what Origin.network holds
        return tuple(sorted(rows, key=lambda row: (-row.hit.requests, -row.seen.requests, row.network)))

    def days(self) -> tuple[DayRow, ...]:
        found = self._all(f"""
            SELECT strftime(make_timestamp(day * {DAY}), '%Y-%m-%d') AS day, sum(requests)::BIGINT AS requests,
                   sum(hits)::BIGINT AS hit, count(*) FILTER (account > 0) AS accounts,
                   count(*) FILTER (account > 0 AND hits > 0) AS hit_accounts
            FROM daily GROUP BY ALL ORDER BY day""")
        return tuple(DayRow(**row) for row in found)

    def reasons(self) -> tuple[ReasonRow, ...]:
        found = self._all("""
            SELECT effect, policy, rule, count(DISTINCT nullif(account, 0)) AS accounts,
                   sum(requests)::BIGINT AS requests
            FROM rolled GROUP BY ALL ORDER BY effect DESC, requests DESC, policy, rule""")
        return tuple(ReasonRow(**row | {"effect": STRICTNESS[row["effect"]]}) for row in found)

    def prefixes(self) -> tuple[PrefixRow, ...]:
        found = self._all(f"""
            WITH top AS (
                SELECT block, sum(requests) AS requests FROM hit_addresses h JOIN addresses ON h.address = addresses.id
                WHERE block > 0 GROUP BY block ORDER BY requests DESC, block LIMIT {self._top})
            SELECT prefix(block) AS prefix, arg_max(territory, requests) AS territory,
                   arg_max(network, requests) AS network, count(DISTINCT nullif(account, 0)) AS accounts,
                   sum(requests)::BIGINT AS requests, sum(tokens)::BIGINT AS tokens
            FROM judged JOIN (SELECT id, block FROM addresses JOIN top USING (block)) ON id = address
            WHERE hit GROUP BY block ORDER BY requests DESC, prefix""")
        return tuple(msgspec.convert(row, PrefixRow) for row in found)

    def overrides(self) -> tuple[OverrideRow, ...]:
        found = self._all(f"""
            SELECT a.account, policy, bare, any_value(combination) AS combination, sum(requests)::BIGINT AS requests,
                   sum(tokens)::BIGINT AS tokens
            FROM rolled r JOIN accounts a ON r.account = a.id WHERE rule = 'exception' AND bare > effect
            GROUP BY ALL ORDER BY requests DESC, a.account, bare DESC LIMIT {self._top}""")
        because = [self._combinations[row.pop("combination")].verdict.because for row in found]
        otherwise = [STRICTNESS[row.pop("bare")] for row in found]
        return tuple(
            OverrideRow(**row, because=why, otherwise=effect)
            for row, why, effect in zip(found, because, otherwise, strict=True)
        )

    def change(self, former: str) -> Change:
        """From the effects in this column (before, former) to those of the next policy."""
        least = self._least
        blocked, released = (
            Count(**self._one(f"SELECT {_COUNTS} FROM rolled WHERE {which}"), addresses=self._addresses(which))
            for which in (f"hit AND {former} < {least}", f"NOT hit AND {former} >= {least}")
        )
        found = self._all(f"""
            SELECT territory, {former} AS before, effect AS after, count(DISTINCT nullif(account, 0)) AS accounts,
                   sum(requests)::BIGINT AS requests, sum(tokens)::BIGINT AS tokens
            FROM rolled WHERE effect <> {former} GROUP BY ALL ORDER BY requests DESC, territory, before, after""")
        effects = ({"before": STRICTNESS[row["before"]], "after": STRICTNESS[row["after"]]} for row in found)
        rows = tuple(ChangeRow(**row | both) for row, both in zip(found, effects, strict=True))
        return Change(blocked=blocked, released=released, rows=rows)

    def _addresses(self, which: str) -> int:
        return int(self._engine.row(f"SELECT count(DISTINCT address) FROM judged WHERE {which}")[0])

    def _by(self, column: str) -> tuple[dict[str, Count], dict[str, Count]]:
        seen_at = dict(
            self._engine.rows(f"SELECT {column}, count(*) FROM addresses JOIN places USING (place) GROUP BY 1")
        )
        hit_at = dict(
            self._engine.rows(f"SELECT {column}, count(*) FROM hit_addresses JOIN places USING (place) GROUP BY 1")
        )
        return tuple(  # type: ignore[return-value]  # two of them
            {
                row.pop(column): Count(**row, addresses=at.get(name, 0))
                for row in self._all(f"SELECT {column}, {_COUNTS} FROM rolled WHERE {which} GROUP BY {column}")
                if (name := row[column]) is not None
            }
            for which, at in (("true", seen_at), ("hit", hit_at))
        )

    def _all(self, statement: str) -> list[dict[str, Any]]:
        cursor = self._engine.connection.execute(statement)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _one(self, statement: str) -> dict[str, Any]:
        return self._all(statement)[0]
