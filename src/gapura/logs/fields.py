"""Which field of a log is what: as the caller says, else by the names under which it is known.

Names are those that the programs' own documentation gives; a field that several programs call differently has all
of their names, the more telling ones first.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import msgspec

from gapura.errors import BadRequest

ROLES = ("address", "territory", "account", "key", "time", "model", "tokens")

KNOWN: Mapping[str, tuple[str, ...]] = {
    "address": (
        "address", "client_address", "client_ip", "clientip", "request.client_ip", "c-ip", "remote_addr",
        "remote_address", "downstream_remote_address", "x_forwarded_for", "x-forwarded-for",
        "downstream_direct_remote_address", "request.remote_ip", "remote_ip", "source_ip", "ip", "host_ip",
    ),
    "territory": ("territory",),
    "account": (
        "account", "account_id", "external_id", "organization_id", "organisation_id", "org_id", "organization",
        "customer_id", "customer", "tenant_id", "tenant", "x-account-id", "x_account_id", "user_id", "user",
        "remote_user",
    ),
    "key": ("key", "key_id", "api_key_id", "api_key", "apikey", "x-api-key", "x_api_key"),
    "time": (
        "opened_at", "start_time", "date+time", "time", "timestamp", "@timestamp", "timestamp(ms)", "time_iso8601",
        "time_local", "ts", "datetime", "at", "created_at", "date",
    ),
    "model": ("model", "model_id", "request_model"),
    "tokens": ("tokens", "total_tokens", "usage.total_tokens", "input+output", "input_tokens+output_tokens",
               "prompt_tokens+completion_tokens", "usage.prompt_tokens+usage.completion_tokens"),
}  # fmt: skip


class BadField(BadRequest):
    """A field that the file does not have; `param` names the option."""


class Fields(msgspec.Struct, frozen=True):
    """Role → name in the file, "" for none.  `territory` stands in where a line has no address, as in records of
    callers who assert theirs.  `tokens` may be a sum, as input+output; `time` may be a date and a time."""

    address: str = ""
    territory: str = ""
    account: str = ""
    key: str = ""
    time: str = ""
    model: str = ""
    tokens: str = ""

    def named(self) -> dict[str, str]:
        return {role: name for role in ROLES if (name := getattr(self, role))}


def chosen(wanted: Fields, seen: Iterable[str], file: str) -> Fields:
    """`wanted` as far as it says something, the rest by known names.  Raises BadField naming what there is."""
    by_name: dict[str, str] = {}
    for name in seen:
        by_name.setdefault(name.lower(), name)
    found = {}
    for role in ROLES:
        if asked := getattr(wanted, role):
            found[role] = _asked(role, asked, by_name, file)
        else:
            found[role] = next((has for one in KNOWN[role] if (has := _all_of(one, by_name))), "")
    if found["address"] or found["territory"]:
        return Fields(**found)
    raise BadField(
        f"{file}: no field is known to hold the caller's address; name it with --address-field."
        f" The file has: {_listed(by_name.values())}",
        param="address_field",
    )


def _asked(role: str, asked: str, by_name: Mapping[str, str], file: str) -> str:
    if name := _all_of(asked, by_name):
        return name
    near = get_close_matches(asked.lower(), by_name, 1)
    hint = f" (did you mean {by_name[near[0]]}?)" if near else ""
    raise BadField(
        f"{file}: there is no field {asked}{hint}. The file has: {_listed(by_name.values())}", param=f"{role}_field"
    )


def _all_of(name: str, by_name: Mapping[str, str]) -> str:
    """The name as the file writes it; of a sum, all parts must be there."""
    if name.lower() in by_name:
        return by_name[name.lower()]
    parts = [by_name.get(part.strip().lower(), "") for part in name.split("+")]
    return "+".join(parts) if all(parts) else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
