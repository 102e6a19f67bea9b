"""Where the providers are reached, and in which territory they process what they are sent.

The environment's `*_BASE_URL` wins over `[providers.<name>]` of gapura.toml, and that over the catalogue.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gapura.atlas import territories
from gapura.providers import catalogue, kinds
from gapura.providers.kinds import BadKind
from gapura.rulebook.documents import BadDocument, below, nearest, table, tables, term
from gapura.rulebook.egress import stated as stated_place
from gapura.settings import PROVIDER_VARIABLES, BadSetting, base_url
from gapura.terms.rulebook import Endpoint

ONE_OF_YOUR_OWN = '; say how it speaks, as kind = "compatible"'


class Stated(msgspec.Struct, frozen=True):
    """`[providers.<name>]`.  `egress`: addresses and territories from where this gateway calls it.  What is about its
    key is read by `gapura.settings.keys`, and `models` are names that stand for it."""

    kind: str = ""
    base_url: str = ""
    processing_territory: str = ""
    egress: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    quirks: dict[str, Any] = {}
    key_variable: str = ""
    key_file: str = ""
    keyless: bool = False


# It stands before the slash of a target, in headers and in the record.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

TEXTS = ("kind", "base_url", "processing_territory", "key_variable", "key_file")


def endpoints(
    documents: Mapping[str, Any],
    *,
    configured: Collection[str],
    base_urls: Mapping[str, str],
    egress: Sequence[str] = (),
) -> tuple[Endpoint, ...]:
    """One for each configured provider: those with a name of ours first, then as they are written.  `egress`:
    addresses and territories that all are called from which say nothing else.  Raises BadDocument."""
    tables = _tables(documents)
    names = [name for name in dict.fromkeys((*PROVIDER_VARIABLES, *tables)) if name in tables or name in configured]
    found = {name: _endpoint(name, tables.get(name, {}), base_urls.get(name, ""), egress) for name in names}
    return tuple(endpoint for name, endpoint in found.items() if name in configured)


def stated_models(documents: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Provider → the models that its table names, () where it names none.  Raises BadDocument."""
    tables = {name: table(raw, below("providers", name), Stated) for name, raw in _tables(documents).items()}
    return {
        name: term({"models": fields.get("models", ())}, below("providers", name), Stated).models
        for name, fields in tables.items()
    }


def _tables(documents: Mapping[str, Any]) -> Mapping[str, Any]:
    raw = documents.get("providers", {})
    if not isinstance(raw, Mapping):
        raise BadDocument("providers", "expected tables, as [providers.openai]")
    for name in raw:
        if not NAME.fullmatch(name):
            raise BadDocument(below("providers", name), "a name has letters, digits, dots, dashes and underscores")
    return raw


def _endpoint(name: str, raw: object, given_url: str, egress: Sequence[str]) -> Endpoint:
    path = below("providers", name)
    fields = table(raw, path, Stated)
    from_where = [_stated(one, where) for where, one in tables(fields.pop("egress", ()), f"{path}.egress")]
    for field in TEXTS:
        if not isinstance(fields.get(field, ""), str):
            raise BadDocument(f"{path}.{field}", "expected a string")
    stated = term({**fields, "egress": from_where}, path, Stated)
    _speaks(name, stated, path)
    given = given_url or stated.base_url.rstrip("/") or kinds.home(name, stated.kind)
    if not given:
        raise BadDocument(f"{path}.base_url", "each of this kind has its own: say where yours is")
    try:
        url = base_url(given, "base_url")
    except BadSetting as error:
        raise BadDocument(path, str(error)) from None
    processing = stated.processing_territory
    try:
        place = territories.resolve(processing) if processing else _processing(name, url)
    except ValueError as error:
        raise BadDocument(f"{path}.processing_territory", str(error)) from None
    return Endpoint(
        provider=name,
        base_url=url,
        processing_territory=place,
        egress=tuple(dict.fromkeys(from_where or egress)),
        kind=stated.kind,
        quirks=msgspec.json.encode(stated.quirks, order="sorted").decode() if stated.quirks else "",
    )


def _speaks(name: str, stated: Stated, path: str) -> None:
    try:
        kinds.provider(name, stated.kind, stated.quirks)
    except BadKind as error:
        if error.field == "kind" and not stated.kind:
            known = kinds.known()
            raise BadDocument(path, f"there is no provider {name!r}{nearest(name, known) or ONE_OF_YOUR_OWN}") from None
        raise BadDocument(f"{path}.{error.field}", str(error)) from None


def _stated(raw: object, path: str) -> str:
    if not isinstance(raw, str):
        raise BadDocument(path, "expected an address or a territory, as 203.0.113.7 or SG")
    try:
        return stated_place(raw)
    except ValueError as error:
        raise BadDocument(path, str(error)) from None


def _processing(name: str, url: str) -> str:
    """As the catalogue says for the host.  What stands in our own network is taken for a way to the vendor's own."""
    if place := catalogue.territory(url):
        return place
    host = urlsplit(url).hostname or ""
    try:
        ours = not ip_address(host).is_global
    except ValueError:
        ours = host == "localhost"
    return catalogue.territory(kinds.home(name)) if ours and kinds.home(name) else ""
