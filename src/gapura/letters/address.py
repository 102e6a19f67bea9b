"""Addresses that mail can be sent to: one mailbox.

A domain may be written in its own letters and is sent as DNS has it.  Letters beyond ASCII before the @ need SMTPUTF8
at every server on the way (RFC 6531): readers may have such an address (`wide`), and get a letter where the relay
offers that; we ourselves have none, since whoever answers may not be able to.
"""

import re
import unicodedata

from gapura.letters import clean

LONGEST, LONGEST_LOCAL = 254, 64

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class BadAddress(ValueError):
    """Says which address, and what is wrong with it."""


def plain(address: str, *, wide: bool = False) -> str:
    """The address as it is sent.  Raises BadAddress.

    >>> plain("li@公司.cn"), plain("李雷@公司.cn", wide=True)
    ('li@xn--55qx5d.cn', '李雷@xn--55qx5d.cn')
    """
    local, at, domain = address.strip().rpartition("@")
    shown = repr(clean.name(address))
    if not at or not local or not domain:
        raise BadAddress(f"{shown} is no address, as li@example.com")
    if not local.isascii() and not wide:
        raise BadAddress(f"{shown}: letters beyond ASCII before the @ do not reach everybody; take another address")
    local = unicodedata.normalize("NFC", local)
    ascii_only = "".join(sign if sign.isascii() else "x" * sign.isprintable() or " " for sign in local)
    if not _LOCAL.fullmatch(ascii_only) or len(local.encode()) > LONGEST_LOCAL:
        raise BadAddress(f"{shown}: what stands before the @ is none of a mailbox")
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        domain = ""
    if not _DOMAIN.fullmatch(domain):
        raise BadAddress(f"{shown}: what stands behind the @ is no domain")
    if len(local.encode()) + 1 + len(domain) > LONGEST:
        raise BadAddress(f"{shown} is longer than {LONGEST} bytes")
    return f"{local}@{domain}"


def mailbox(text: str) -> tuple[str, str]:
    """`Name <address>` or an address → its name and the address as it is sent.  Raises BadAddress."""
    found = re.fullmatch(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*", text)
    if found is None:
        return "", plain(text)
    return clean.name(found["name"].strip('"')), plain(found["address"])
