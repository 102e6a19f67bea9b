"""The callers' log against what the gateway tells: its record, its usage, its ledger.  Pure: bytes in, verdicts out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.soak.clients import Line

Row = dict[str, Any]

ENDS = {"complete", "cut", "failed", "refused"}
ANSWERED = {"complete", "cut"}
COUNTED = ("requests", "input_tokens", "output_tokens", "estimated")
# What an answer with an error may stand for: sent upstream in vain, refused before, or (a wrong key, no model) nothing.
ERRORS = {"failed", "refused", None}


def judge(
    log: Sequence[Line], record: Sequence[Row], usage: Iterable[Row], budgets: Mapping[str, Row]
) -> Iterator[str]:
    """Every broken promise, in words.  `budgets`: account id → its `show`, with `tokens`."""
    rows = {row["id"]: row for row in record}
    if len(rows) != len(record):
        yield f"{len(record) - len(rows)} requests are told twice"
    yield from _rows(record)
    yield from _answers(log, rows)
    yield from _usage(record, usage)
    yield from _budgets(record, budgets)


def _rows(record: Sequence[Row]) -> Iterator[str]:
    for row in record:
        name, outcome, total = row["id"], row["outcome"], row["input"] + row["output"]
        if outcome not in ENDS:
            yield f"{name} is {outcome}"
        if outcome != "refused" and not row["attempts"]:
            yield f"{name} is {outcome} without an attempt"
        if [one["attempt"] for one in row["attempts"]] != list(range(1, len(row["attempts"]) + 1)):
            yield f"{name}: attempts are missing"
        if any(one["ended_at"] is None for one in row["attempts"]):
            yield f"{name}: an attempt has no end"
        if row["purse"] and row["charged"] != (min(row["hold"], total) if outcome in ANSWERED else 0):
            yield f"{name} ({outcome}) used {total} of a hold of {row['hold']}, and was charged {row['charged']}"
        if row["purse"] and outcome == "complete" and total > row["hold"]:
            yield f"{name} used {total}, more than its hold of {row['hold']}"
        if row["error"] == "gate_lost" and not row["estimated"]:
            yield f"{name} was settled by a recovery and is not marked as estimated"


def _answers(log: Iterable[Line], rows: Mapping[str, Row]) -> Iterator[str]:
    seen: Counter[str] = Counter(line.id for line in log if line.id)
    yield from (f"{name} was given to {count} requests" for name, count in seen.items() if count > 1)
    for line in log:
        row = rows.get(line.id)
        outcome = row["outcome"] if row else None
        if line.state == "hung":
            yield f"{line.id or 'a request'} ({line.kind.model}) hung"
        elif line.state == "whole":
            if row is None or outcome != "complete":
                yield f"{line.id} was received whole, and is {outcome or 'not in the record'}"
            elif (row["input"], row["output"]) != line.usage:
                yield f"{line.id} was told {line.usage}, and is recorded with {row['input'], row['output']}"
            elif row["output"] > line.kind.tokens or (row["output"] < line.kind.tokens and not row["losses"]):
                yield f"{line.id} has {row['output']} tokens instead of {line.kind.tokens}"
        elif line.status == 200 and (row is None or outcome == "refused"):
            yield f"{line.id} was begun ({line.state}), and is {outcome or 'not in the record'}"
        elif line.status >= 400 and outcome not in ERRORS:
            yield f"{line.id} was answered {line.status}, and is {outcome}"
        if row and row["account"] != line.account:
            yield f"{line.id} is another account's"


def _usage(record: Iterable[Row], usage: Iterable[Row]) -> Iterator[str]:
    summed: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in record:
        if row["outcome"] in ANSWERED:
            counted = {"requests": 1, "input_tokens": row["input"], "output_tokens": row["output"]}
            names = (row["account"], row["key"], row["served_model"], row["provider"])
            summed[names].update(counted | {"estimated": int(row["estimated"])})
    told: dict[tuple[str, ...], Row] = {
        (row["account"], row["key"], row["model"], row["provider"]): row for row in usage
    }
    for key in summed.keys() | told.keys():
        ours, theirs = summed[key], told.get(key, {})
        if any(ours[name] != theirs.get(name, 0) for name in COUNTED):
            yield f"usage of {' '.join(key)} is {theirs}, its requests make {dict(ours)}"


def _budgets(record: Iterable[Row], budgets: Mapping[str, Row]) -> Iterator[str]:
    charged: Counter[str] = Counter()
    for row in record:
        charged[row["account"]] += row["charged"]
    for account, shown in budgets.items():
        has = shown["tokens"]
        if has["granted"] != shown["budget"]:
            yield f"{account} was granted {has['granted']} of a budget of {shown['budget']}"
        if has["granted"] != has["left"] + has["spent"] + has["unreconciled"]:
            yield f"{account}: {has} does not add up"
        if has["lent"] or has["unreconciled"]:
            yield f"{account}: {has['lent']} lent and {has['unreconciled']} unreconciled with no gate alive"
        if has["spent"] != charged[account]:
            yield f"{account} has spent {has['spent']}, its requests were charged {charged[account]}"
