"""Addresses that mail can be sent to: one mailbox, in ASCII.

A domain may be written in its own letters and is sent as DNS has it.  Letters beyond ASCII before the @ would need
SMTPUTF8 at every server on the way (RFC 6531); they are refused, so that somebody asks for another contact.
"""

import re

from gapura.letters import clean

LONGEST, LONGEST_LOCAL = 254, 64

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class BadAddress(ValueError):
    """Says which address, and what is wrong with it."""


def plain(address: str) -> str:
    """The address as it is sent.  Raises BadAddress.

    >>> plain("li@公司.cn")
    'li@xn--55qx5d.cn'
    """
    local, at, domain = address.strip().rpartition("@")
    shown = repr(clean.name(address))
    if not at or not local or not domain:
        raise BadAddress(f"{shown} is no address, as li@example.com")
    if not local.isascii():
        raise BadAddress(f"{shown}: letters beyond ASCII before the @ cannot be sent to; ask for another address")
    if not _LOCAL.fullmatch(local) or len(local) > LONGEST_LOCAL:
        raise BadAddress(f"{shown}: what stands before the @ is none of a mailbox")
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        domain = ""
    if not _DOMAIN.fullmatch(domain):
        raise BadAddress(f"{shown}: what stands behind the @ is no domain")
    if len(local) + 1 + len(domain) > LONGEST:
        raise BadAddress(f"{shown} is longer than {LONGEST} characters")
    return f"{local}@{domain}"


def mailbox(text: str) -> tuple[str, str]:
    """`Name <address>` or an address → its name and the address as it is sent.  Raises BadAddress."""
    found = re.fullmatch(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*", text)
    if found is None:
        return "", plain(text)
    return clean.name(found["name"].strip('"')), plain(found["address"])
