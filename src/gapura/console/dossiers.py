"""An account's evidence as one page: to be read and printed by people who know nothing of this program."""

from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import msgspec

from gapura.clock import text
from gapura.store.dossier import Dossier
from gapura.store.facts import Proven
from gapura.store.visits import DAY

SHOWN_DAYS = 400


def page(found: Dossier) -> str:
    """As HTML, whole: nothing is loaded from anywhere."""
    known = {found.account.id: "the account itself", "system": "the gateway itself", **found.people}
    return _template().render(
        found=found,
        who=lambda actor: known.get(actor, actor),
        contacts=", ".join(f"{role}: {address}" for role, address in sorted(found.account.contacts.items())),
        visits=found.visits[-SHOWN_DAYS:],
        notices=found.notices,
        sends=[_fact(one) for one in found.facts if one.fact.kind == "notice"],
        lifted=[_fact(one) for one in found.facts if one.fact.kind == "exception"],
        decisions=[_fact(one) for one in found.facts if one.fact.kind == "decision"],
    )


def _fact(proven: Proven) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(proven.fact.body)
    return {"at": proven.fact.at, "entry": proven.entry, **body}


@cache
def _template() -> jinja2.Template:
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["at"] = lambda at: text(at)[:19].replace("T", " ") if at else "–"
    made.filters["day"] = lambda day: text(day * DAY)[:10]
    return made.from_string((files(__package__) / "data" / "evidence.html").read_text("utf-8"))
