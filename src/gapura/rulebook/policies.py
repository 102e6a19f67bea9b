"""`[[policies]]` of a document: lists of places applied, with phases, rules and exceptions."""

from collections.abc import Mapping
from typing import Any, get_args

from gapura.atlas import packs
from gapura.atlas.territories import resolve_part, sovereign_of
from gapura.rulebook.documents import (
    AS_WRITTEN,
    BadDocument,
    named,
    no_twins,
    or_bad,
    table,
    tables,
    term,
    when,
    words,
    zone_named,
)
from gapura.rulebook.expressions import compiled
from gapura.rulebook.lists import PRODUCT
from gapura.rulebook.weigh import RESERVED
from gapura.terms.caller import Status
from gapura.terms.place import Network
from gapura.terms.rulebook import AccountPlace, Appeals, Exemption, Pack, Phase, Policy, Rule

NETWORKS = tuple(filter(None, get_args(Network)))
TERRITORIES_OF_ACCOUNTS = ("declared_territory", "phone_territory", "ownership")
SUFFICE = ("accounts", "territories", "models", "organisation", "contract", *TERRITORIES_OF_ACCOUNTS)
"""What a rule that allows has to name: one that names nothing, or nearly everybody, would switch its policy off."""


def policies(raw: object, own: Mapping[str, Pack]) -> list[Policy]:
    """`own`: the document's own lists.  Raises BadDocument."""
    found = [_policy(policy, path, own) for path, policy in tables(raw, "policies")]
    no_twins([policy.name for policy in found], "policies")
    return found


def following(pack: Pack) -> dict[str, str]:
    """Territory → sovereign, for those that the list does not name and that fare otherwise by following."""
    return {
        territory: sovereign
        for territory, sovereign in sorted(sovereign_of().items())
        if not pack.names(territory) and pack.coverage(territory) != pack.coverage(sovereign)
    }


def _policy(raw: object, path: str, own: Mapping[str, Pack]) -> Policy:
    fields = table(raw, path, Policy)
    name = fields.get("pack")
    if not isinstance(name, str):
        raise BadDocument(f"{path}.pack", f"name a pack, as {packs.names()[0]}")
    if "follows" in fields:
        raise BadDocument(f"{path}.follows", 'it is worked out; write territories = "with_sovereign"')
    pack = or_bad(lambda given: packs.pack(given, own), name, f"{path}.pack")
    phases = [_phase(phase, where) for where, phase in tables(fields.get("phases", ()), f"{path}.phases")]
    no_twins([str(phase.starts) for phase in phases], f"{path}.phases", "two phases begin at one instant")
    rules = [_rule(rule, where) for where, rule in tables(fields.get("rules", ()), f"{path}.rules")]
    no_twins([rule.id for rule in rules], f"{path}.rules")
    lifted = tables(fields.get("exceptions", ()), f"{path}.exceptions")
    words(fields, path, {"models": ()})
    read: dict[str, Any] = {
        "name": fields.get("name", name),
        "product": _product(fields.get("product", name), name, path),
        "phases": sorted(phases, key=lambda phase: phase.starts),
        "rules": rules,
        "exceptions": [_exemption(exemption, where) for where, exemption in lifted],
    }
    if fields.get("territories") == "with_sovereign":
        read["follows"] = following(pack)
    if place := fields.get("account_place"):
        read["account_place"] = _account_place(place, f"{path}.account_place")
    if "appeals" in fields:
        read["appeals"] = term(table(fields["appeals"], f"{path}.appeals", Appeals), f"{path}.appeals", Appeals)
    return term(fields | read | {"pack": pack}, path, Policy)


def _product(value: object, pack: str, path: str) -> str:
    """ "": what the list is of."""
    if not isinstance(value, str) or not PRODUCT.fullmatch(value):
        raise BadDocument(f"{path}.product", "write whose product it is and which, as acme/assistant")
    return "" if value == pack else value


def _phase(raw: object, path: str) -> Phase:
    fields = table(raw, path, Phase)
    if zone := fields.get("zone"):
        zone_named(str(zone), f"{path}.zone")
    return term(_timed(fields, path, str(zone or "")), path, Phase)


def _rule(raw: object, path: str) -> Rule:
    fields = _timed(table(raw, path, Rule), path)
    words(fields, path, {"accounts": (), "models": (), "contract": (), "organisation": ()})
    words(fields, path, {"networks": NETWORKS, "status": get_args(Status)})
    fields |= named(fields, path, ("territories",), resolve_part) | named(fields, path, TERRITORIES_OF_ACCOUNTS)
    rule = term(fields, path, Rule)
    if not rule.id or rule.id in RESERVED:
        raise BadDocument(
            f"{path}.id", f"{rule.id!r} cannot name a rule; empty names and {', '.join(RESERVED)} are taken"
        )
    if rule.effect == "allow" and not any(getattr(rule, name) for name in SUFFICE):
        raise BadDocument(path, f"a rule that allows must say what; name at least one of {', '.join(SUFFICE)}")
    if rule.ends and rule.starts >= rule.ends:
        raise BadDocument(f"{path}.until", "it ends before it begins")
    if "when" in fields:
        or_bad(compiled, rule.when, f"{path}.when")
    return rule


def _exemption(raw: object, path: str) -> Exemption:
    exemption = term(_timed(table(raw, path, Exemption), path), path, Exemption)
    for name in ("account", "reason"):
        if not getattr(exemption, name).strip():
            raise BadDocument(f"{path}.{name}", "must not be empty")
    return exemption


def _account_place(raw: object, path: str) -> AccountPlace:
    return term(_timed(table(raw, path, AccountPlace), path), path, AccountPlace)


def _timed(fields: dict[str, Any], path: str, zone: str = "") -> dict[str, Any]:
    return fields | {
        name: when(fields[name], f"{path}.{written}", zone) for name, written in AS_WRITTEN.items() if name in fields
    }
