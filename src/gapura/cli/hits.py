"""A back-test on a terminal: what matters first, cut to a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gapura.cli.output import pairs, safe, table
from gapura.clock import text
from gapura.logs.result import Backtest, Change, Side

ROWS = 12
"""Of each table; the JSON and the report have them all."""


def told(found: Backtest, written: Sequence[Path]) -> str:
    parts = [_head(found), _hit(found), _territories(found)]
    if found.policy_change:
        parts.append(_change("against the policy in comparison", found.policy_change))
    if found.data_change:
        parts.append(_change(f"against older place data ({found.question.older_place_data})", found.data_change))
    rows = [msgspec.structs.asdict(row) for row in found.reasons]
    parts.append(_titled("decided by", table(rows[:ROWS], ("effect", "policy", "rule", "accounts", "requests"))))
    if found.overrides:
        rows = [msgspec.structs.asdict(row) for row in found.overrides]
        parts.append(
            _titled("saved by exceptions", table(rows[:ROWS], ("account", "otherwise", "requests", "because")))
        )
    if found.prefixes:
        rows = [msgspec.structs.asdict(row) for row in found.prefixes]
        columns = ("prefix", "territory", "network", "accounts", "requests")
        parts.append(_titled("networks hit most", table(rows[:ROWS], columns)))
    if found.accounts:
        rows = [_account(msgspec.structs.asdict(row)) for row in found.accounts]
        key = ("key",) if found.reading.has_keys else ()
        columns = ("account", *key, "standing", "days", "hit_requests", "requests", "territories")
        parts.append(_titled("accounts hit most", table(rows[:ROWS], columns)))
    if found.samples:
        parts.append(_titled("why, for example", "\n".join(_because(found))))
    parts += [f"written: {safe(str(path))}" for path in written]
    return "\n\n".join(parts)


def _head(found: Backtest) -> str:
    asked, reading = found.question, found.reading
    span = f"{text(reading.first)} to {text(reading.last)}" if reading.has_times else "the logs tell no time"
    return pairs(
        {
            "product": asked.product,
            "next": _side(asked.next),
            "compared_with": _side(asked.against) if asked.against else "nothing",
            "place_data": asked.place_data,
            "lines": f"{reading.lines} in {len(reading.files)} files, {reading.unreadable} unreadable,"
            f" {reading.outside} outside the window",
            "requests": span,
        }
    )


def _hit(found: Backtest) -> str:
    seen, hit = found.seen, found.hit
    rows = [
        {"": name, "hit": getattr(hit, name), "seen": getattr(seen, name), "share": _share(hit, seen, name)}
        for name in ("accounts", "keys", "requests", "tokens", "addresses")
        if getattr(seen, name)
    ]
    standing = {
        "only_here": f"{hit.only_here} accounts, on at least {found.question.min_days} days",
        "too_few_days": f"{hit.too_few_days} accounts",
        "travellers": f"{hit.travellers} accounts, seen from elsewhere too",
        "uncertain_place": f"{hit.uncertain} requests; {hit.uncertain_accounts} accounts were hit in no other way",
        "hosting_or_VPN": f"{hit.hosting} requests; {hit.hosting_accounts} accounts were hit in no other way",
    }
    return table(rows, ("", "hit", "seen", "share")) + "\n\n" + pairs(standing)


def _territories(found: Backtest) -> str:
    rows = [
        {
            "territory": row.territory,
            "accounts": row.hit.accounts,
            "only_here": row.only_here,
            "requests": row.hit.requests,
            "tokens": row.hit.tokens,
            "blocked_anew": row.blocked,
            "released": row.released,
        }
        for row in found.territories
        if row.hit.requests or row.released
    ]
    columns = ["territory", "accounts", "only_here", "requests"]
    columns += ["tokens"] if found.reading.has_tokens else []
    columns += ["blocked_anew", "released"] if found.policy_change else []
    rest = f"\n… and {len(rows) - ROWS} more" if len(rows) > ROWS else ""
    return _titled("territories hit", table(rows[:ROWS], columns) + rest)


def _change(title: str, change: Change) -> str:
    counts = {
        name: f"{count.accounts} accounts, {count.requests} requests"
        for name, count in (("newly hit", change.blocked), ("released", change.released))
    }
    rows = [msgspec.structs.asdict(row) for row in change.rows]
    shown = table(rows[:ROWS], ("territory", "before", "after", "accounts", "requests")) if rows else "nothing changes"
    return _titled(title, f"{pairs(counts)}\n\n{shown}")


def _because(found: Backtest) -> list[str]:
    return [
        f"{safe(one.account) or 'nobody'} from {safe(one.address)} ({one.territory or one.certainty}): {one.effect},"
        f" because {one.because}"
        for one in found.samples[:ROWS]
    ]


def _side(side: Side) -> str:
    return f"{side.name} (version {side.version}), as of {text(side.at)}"


def _share(hit: object, seen: object, name: str) -> str:
    return f"{100 * getattr(hit, name) / getattr(seen, name):.1f} %"


def _account(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"territories": ", ".join(f"{code} {count}" for code, count in row["territories"].items())}


def _titled(title: str, shown: str) -> str:
    return f"{title}\n{shown}"
