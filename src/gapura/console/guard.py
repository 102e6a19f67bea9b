"""Whose request this is, and whether a browser was talked into sending it.

A page on any site can make a browser send requests to 127.0.0.1, and a name that is bound anew can make it read the
answers.  So on a TCP port the host must be one of ours, and an origin, where there is one, the host itself.
"""

import asyncio
import ipaddress
import os
from urllib.parse import urlsplit

from starlette.requests import Request

from gapura.console.context import Context
from gapura.errors import Refused
from gapura.settings import Settings
from gapura.store import principals
from gapura.store.principals import Principal

WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what may stand in a setting, nothing is bound here


class Unauthenticated(Refused):
    """No token, or one that is unknown or revoked."""

    status = 401
    code = "unauthenticated"


class ForeignHost(Refused):
    """The request was meant for another host, or sent by another site."""

    status = 403
    code = "foreign_host"


def check_site(request: Request, settings: Settings) -> None:
    """Raises ForeignHost.  A literal address is fine where every address is listened on: no name was bound to it."""
    host = request.headers.get("host", "")
    name = _name(host)
    known = {allowed.strip("[]").lower() for allowed in settings.admin_hosts} - WILDCARDS
    if name not in known and not (settings.admin_host in WILDCARDS and _is_address(name)):
        raise ForeignHost(f"{host or 'a request without Host'} is not a name of this admin port", param="host")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise ForeignHost(f"sent by a page of {origin}", param="origin")


async def identify(request: Request, context: Context) -> Principal:
    """Raises Unauthenticated."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("an admin token is needed")
    found = await asyncio.to_thread(
        context.store.read, lambda db: principals.authenticate(db, token.strip(), context.store.secret)
    )
    if found is None:
        raise Unauthenticated("this admin token is unknown or revoked")
    return found


def local_owner() -> Principal:
    """Whoever reaches the Unix socket: its directory is closed to every user but ours."""
    uid = os.geteuid()
    return Principal(f"local:{uid}", "owner", "", f"user {uid} of this machine", "")


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
