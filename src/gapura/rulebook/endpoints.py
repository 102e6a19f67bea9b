"""Where the providers are reached, and in which territory they process what they are sent.

The environment's `*_BASE_URL` wins over `[providers.<name>]` of gapura.toml, and that over the catalogue.
"""

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from gapura.atlas import territories
from gapura.providers import catalogue
from gapura.rulebook.documents import BadDocument, below, nearest, table
from gapura.settings import BadSetting, base_url
from gapura.terms.rulebook import Endpoint


def endpoints(
    documents: Mapping[str, Any], *, configured: Collection[str], base_urls: Mapping[str, str]
) -> tuple[Endpoint, ...]:
    """One for each configured provider, in the catalogue's order.  Raises BadDocument."""
    vendors = catalogue.catalogue().vendors
    raw = documents.get("providers", {})
    if not isinstance(raw, Mapping):
        raise BadDocument("providers", "expected tables, as [providers.openai]")
    for name in raw:
        if name not in vendors:
            raise BadDocument(below("providers", name), f"there is no provider {name!r}{nearest(name, vendors)}")
    found = {name: _endpoint(name, raw.get(name, {}), base_urls.get(name, "")) for name in vendors}
    return tuple(endpoint for name, endpoint in found.items() if name in configured)


def _endpoint(name: str, raw: object, given_url: str) -> Endpoint:
    path = below("providers", name)
    fields = table(raw, path, Endpoint)
    for field, value in fields.items():
        if field == "provider" or not isinstance(value, str):
            raise BadDocument(f"{path}.{field}", "expected base_url and processing_territory, each a string")
    try:
        url = given_url or base_url(str(fields.get("base_url", "")).rstrip("/") or catalogue.base_url(name), "base_url")
    except BadSetting as error:
        raise BadDocument(path, str(error)) from None
    stated = fields.get("processing_territory", "")
    try:
        place = territories.resolve(stated) if stated else _processing(name, url)
    except ValueError as error:
        raise BadDocument(f"{path}.processing_territory", str(error)) from None
    return Endpoint(provider=name, base_url=url, processing_territory=place)


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
