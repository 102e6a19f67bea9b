"""Where the providers are reached, and in which territory they process what they are sent.

The environment's `*_BASE_URL` wins over `[providers.<name>]` of gapura.toml, and that over the catalogue.
"""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gapura.atlas import territories
from gapura.providers import catalogue
from gapura.rulebook.documents import BadDocument, below, nearest, table, tables
from gapura.rulebook.egress import stated
from gapura.settings import BadSetting, base_url
from gapura.terms.rulebook import Endpoint


class Stated(msgspec.Struct, frozen=True):
    """`[providers.<name>]`.  `egress`: addresses and territories from where this gateway calls it."""

    base_url: str = ""
    processing_territory: str = ""
    egress: tuple[str, ...] = ()


def endpoints(
    documents: Mapping[str, Any],
    *,
    configured: Collection[str],
    base_urls: Mapping[str, str],
    egress: Sequence[str] = (),
) -> tuple[Endpoint, ...]:
    """One for each configured provider, in the catalogue's order.  `egress`: addresses and territories that all are
    called from which say nothing else.  Raises BadDocument."""
    vendors = catalogue.catalogue().vendors
    raw = documents.get("providers", {})
    if not isinstance(raw, Mapping):
        raise BadDocument("providers", "expected tables, as [providers.openai]")
    for name in raw:
        if name not in vendors:
            raise BadDocument(below("providers", name), f"there is no provider {name!r}{nearest(name, vendors)}")
    found = {name: _endpoint(name, raw.get(name, {}), base_urls.get(name, ""), egress) for name in vendors}
    return tuple(endpoint for name, endpoint in found.items() if name in configured)


def _endpoint(name: str, raw: object, given_url: str, egress: Sequence[str]) -> Endpoint:
    path = below("providers", name)
    fields = table(raw, path, Stated)
    from_where = [_stated(one, where) for where, one in tables(fields.pop("egress", ()), f"{path}.egress")]
    for field, value in fields.items():
        if not isinstance(value, str):
            raise BadDocument(f"{path}.{field}", "expected a string")
    try:
        url = given_url or base_url(str(fields.get("base_url", "")).rstrip("/") or catalogue.base_url(name), "base_url")
    except BadSetting as error:
        raise BadDocument(path, str(error)) from None
    processing = fields.get("processing_territory", "")
    try:
        place = territories.resolve(processing) if processing else _processing(name, url)
    except ValueError as error:
        raise BadDocument(f"{path}.processing_territory", str(error)) from None
    return Endpoint(
        provider=name, base_url=url, processing_territory=place, egress=tuple(dict.fromkeys(from_where or egress))
    )


def _stated(raw: object, path: str) -> str:
    if not isinstance(raw, str):
        raise BadDocument(path, "expected an address or a territory, as 203.0.113.7 or SG")
    try:
        return stated(raw)
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
    return catalogue.territory(catalogue.base_url(name)) if ours else ""
