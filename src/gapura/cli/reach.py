"""Whom a change hits and whom it releases, for people."""

from typing import Any

from gapura.cli.output import table

COLUMNS = ("account", "organisation", "target", "effect", "addresses", "because")
SHOWN = 50


def reach(found: dict[str, Any]) -> str:
    """A line of counts, and one of each account and target."""
    head = (
        f"{found['hit']} accounts hit, {found['released']} released, of {found['accounts']} seen in {found['days']} "
        f"days ({found['moved']} of {found['addresses']} addresses move)"
    )
    rows = [
        {
            "account": one["external_id"],
            "organisation": one["organisation"],
            "target": shift["target"],
            "effect": f"{shift['before']} → {shift['after']}",
            "addresses": _addresses(shift["addresses"]),
            "because": shift["because"],
        }
        for one in found["items"]
        for shift in (*one["hit"], *one["released"])
    ]
    if not rows:
        return head
    more = f"\nand {len(rows) - SHOWN} more, with --json" if len(rows) > SHOWN else ""
    return f"{head}\n\n{table(rows[:SHOWN], COLUMNS)}{more}"


def _addresses(found: list[dict[str, Any]]) -> str:
    first = found[0]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{first['address']} ({first['before'] or '-'} → {first['after'] or '-'}){more}"
