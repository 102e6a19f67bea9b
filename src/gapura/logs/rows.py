"""Single hit accounts and samples: what a person looks at, and what a campaign is made of."""

from pathlib import Path
from typing import Any

import msgspec

from gapura.logs.engine import Engine, text
from gapura.logs.intake import DAY
from gapura.logs.result import AccountRow, Sample
from gapura.logs.verdicts import RANK, Combination
from gapura.terms.rulebook import STRICTNESS

PREFIXES = 5

# Of each account and key that was hit; `{which}` narrows it to some.
_ACCOUNTS = """
WITH prefixed AS (
    SELECT account, key, block, sum(requests) AS requests
    FROM judged JOIN (SELECT id, block FROM addresses) ON id = address
    WHERE hit AND block > 0 {which} GROUP BY ALL
), prefixes AS (
    SELECT account, key, arg_max(prefix(block), requests, {prefixes}) AS prefixes
    FROM prefixed GROUP BY ALL
), placed AS (
    SELECT account, key, territory, sum(requests)::BIGINT AS requests, max(effect) AS effect,
           coalesce(sum(requests) FILTER (hit), 0)::BIGINT AS hits,
           coalesce(sum(tokens) FILTER (hit), 0)::BIGINT AS tokens, min(first) AS first, max(last) AS last
    FROM rolled WHERE account > 0 {which} GROUP BY ALL
), whole AS (
    SELECT account, key, max(effect) AS effect, sum(requests)::BIGINT AS requests, sum(hits)::BIGINT AS hit_requests,
           sum(tokens)::BIGINT AS hit_tokens, min(first) AS first, max(last) AS last,
           map_from_entries(list((territory, hits) ORDER BY hits DESC, territory) FILTER (hits > 0)) AS territories
    FROM placed GROUP BY account, key HAVING sum(hits) > 0
)
SELECT a.account, w.key, [{effects}][w.effect + 1] AS effect, h.standing, h.days::BIGINT AS days, w.requests,
       w.hit_requests, w.hit_tokens, {first} AS first, {last} AS last, w.territories,
       coalesce(p.prefixes, []) AS prefixes
FROM whole w JOIN hit_accounts h USING (account) JOIN accounts a ON a.id = w.account
LEFT JOIN prefixes p ON p.account = w.account AND p.key = w.key
ORDER BY w.hit_requests DESC, a.account, w.key"""


def accounts(engine: Engine, top: int) -> tuple[AccountRow, ...]:
    """Those with most hit requests."""
    engine.run(f"""
        CREATE TEMP TABLE most AS
        SELECT account, key FROM rolled WHERE hit AND account > 0
        GROUP BY ALL ORDER BY sum(requests) DESC, account, key LIMIT {top}""")
    which = "AND (account, key) IN (SELECT (account, key) FROM most)"
    found = engine.rows(_statement(which, "w.first", "w.last"))
    names = AccountRow.__struct_fields__
    return tuple(msgspec.convert(dict(zip(names, row, strict=True)), AccountRow) for row in found)


def export(engine: Engine, path: Path) -> None:
    """Every one of them as Parquet: the columns of AccountRow, with timestamps for times."""
    statement = _statement("", "make_timestamptz(w.first)", "make_timestamptz(w.last)")
    engine.run(f"COPY ({statement}) TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def samples(engine: Engine, combinations: list[Combination], top: int) -> tuple[Sample, ...]:
    """Of each reason and territory the busiest hit account and address, until there are enough."""
    found = engine.rows(f"""
        WITH picked AS (
            SELECT policy, rule, territory, sum(requests)::BIGINT AS weight, max(requests) AS most
            FROM judged WHERE hit GROUP BY policy, rule, territory
            ORDER BY weight DESC, territory, policy, rule LIMIT {top})
        SELECT a.account, l.address, combination, strftime(make_timestamp(day * {DAY}), '%Y-%m-%d'), weight
        FROM judged j JOIN picked p USING (policy, rule, territory)
             JOIN addresses l ON l.id = j.address JOIN accounts a ON a.id = j.account
        WHERE hit AND requests = most
        QUALIFY row_number() OVER (PARTITION BY policy, rule, territory ORDER BY l.address, a.account, day) = 1
        ORDER BY weight DESC, territory, policy, rule""")
    return tuple(_sample(row, combinations[row[2]]) for row in found)


def _sample(row: tuple[Any, ...], one: Combination) -> Sample:
    account, address, _, day, requests = row
    return Sample(
        account=account,
        address=address,
        territory=one.origin.territory,
        certainty=one.origin.certainty,
        network=one.origin.network,
        day=day,
        requests=requests,
        effect=one.verdict.effect,
        policy=one.verdict.policy,
        rule=one.verdict.rule,
        because=one.verdict.because,
        now=one.before,
        answers=one.origin.answers,
    )


def _statement(which: str, first: str, last: str) -> str:
    effects = ", ".join(map(text, sorted(STRICTNESS, key=RANK.__getitem__)))
    return _ACCOUNTS.format(which=which, prefixes=PREFIXES, effects=effects, first=first, last=last)
