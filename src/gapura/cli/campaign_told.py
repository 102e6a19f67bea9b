"""What is said of campaigns, to people."""

from typing import Any

from gapura.cli.output import pairs, safe, table
from gapura.clock import text

WIDTH = 30
BLOCKS = "▏▎▍▌▋▊▉█"


def bar(part: int, whole: int, width: int = WIDTH) -> str:
    """A share as a bar, to an eighth of a character.

    >>> bar(1, 2, 4), bar(1, 16, 4), bar(0, 0)
    ('██', '▎', '')
    """
    eighths = part * width * 8 // whole if whole else 0
    return "█" * (eighths // 8) + (BLOCKS[eighths % 8 - 1] if eighths % 8 else "")


def against(found: Any) -> list[str]:
    """What a person should look at."""
    lints = [f"{one['severity']}: {one['code']}: {one['message']}" for one in found["lints"]]
    return [*lints, *(f"refuse: {one}" for one in found["against"])]


def refused(found: Any) -> bool:
    return bool(found["against"]) or any(one["severity"] == "refuse" for one in found["lints"])


def listed(found: Any) -> str:
    return table(found, ["name", "state", "effective_at", "people", "started_at"])


def planned(found: Any) -> str:
    it, spec = found["campaign"], found["spec"]
    acts = ", then ".join(
        f"{act['effect']} by {act['by']}" for act in spec.get("acts", [{"effect": "block", "by": "place"}])
    )
    said = {
        "campaign": it["name"],
        "state": it["state"],
        "policy": f"{spec['policy']} {spec.get('version', '')}".strip(),
        "day": text(it["effective_at"]),
        "acts": acts,
    }
    rows = [{"stage": one["stage"], "due_at": one["at"]} for one in found["plan"]]
    more = f"\n\n{found['listed']['accounts']} accounts are named" if "listed" in found else ""
    return f"{pairs(said)}\n\n{table(rows, ['stage', 'due_at'])}{more}"


def previewed(found: Any) -> str:
    head = f"{found['people']} accounts would be told; their requests from there: {found['requests']}"
    letters = []
    for sample in found["samples"]:
        to = f"to {sample['to'] or 'nobody: no contact'} ({sample['account']}, {sample['language'] or 'all languages'})"
        body = sample["problem"] or f"{sample['subject']}\n\n{sample['text'].rstrip()}"
        letters.append(f"{'─' * 60}\n{safe(to)}\n{'─' * 60}\n" + "\n".join(safe(line) for line in body.splitlines()))
    return "\n\n".join([head, *letters])


def moved(found: Any, verb: str) -> str:
    it = found["campaign"]
    if found["dry_run"]:
        about = f"{verb} {it['name']}, which is about {found['people']} accounts"
        return f"nothing is done yet: {about}, with --confirm '{found['confirm']}'"
    undone = f"; {found['undone']} accounts were released" if found["undone"] else ""
    return f"{it['name']} is {it['state']}{undone}"


def standing(found: Any) -> str:
    it, people = found["campaign"], found["people"]
    whole = people["affected"] + people["released"]
    rows = [
        (name, people[field], bar(people[field], whole))
        for name, field in (
            ("affected", "affected"), ("told", "told"), ("exempt: not told", "untold"), ("released", "released"),
            ("acted on", "acted"),
        )
    ]  # fmt: skip
    if people["bystanders"]:
        rows.append(("beside", people["bystanders"], "told by their answers alone"))
    head = {"campaign": it["name"], "state": it["state"], "day": text(it["effective_at"]), "next_at": found["next_at"]}
    return f"{pairs(head)}\n\n{_bars(rows)}\n\n{_stages(found['notices'])}"


def reported(found: Any) -> str:
    most = max([1, *found["hours"].values()])
    hours = _bars([(hour.replace("T", " ") + " h", count, bar(count, most)) for hour, count in found["hours"].items()])
    cases = table(found["cases"], ["account", "stage", "message_id", "copies", "state"])
    said = [standing(found["standing"]), f"when they went out (UTC)\n{hours}", f"may have arrived twice\n{cases}"]
    if "accounts" in found:
        rows = [{**notice, "account": one["external_id"]} for one in found["accounts"] for notice in one["notices"]]
        columns = ["account", "stage", "state", "contact", "delivered_at", "code", "sha256"]
        said.append(f"notices\n{table(rows, columns)}")
    return "\n\n".join(said)


def _stages(notices: Any) -> str:
    rows = []
    for stage, states in notices.items():
        whole = sum(states.values())
        told = ", ".join(f"{state} {count}" for state, count in states.items())
        rows.append((stage, whole, f"{bar(states.get('delivered', 0), whole)} {told}"))
    return _bars(rows)


def _bars(rows: list[tuple[str, int, str]]) -> str:
    if not rows:
        return "none"
    name, number = max(len(row[0]) for row in rows), max(len(str(row[1])) for row in rows)
    return "\n".join(f"{one.ljust(name)}  {str(count).rjust(number)}  {drawn}".rstrip() for one, count, drawn in rows)
