"""Who is this?  A link from a letter, or a key of the account, lets a browser in for an hour; a program sends either
of them along.

A link is changed for a cookie at once, so that it stands in no address, and in no page's `Referer`.  What a form sends
is believed only with what its page was given, which belongs to that cookie.
"""

import base64
import hmac
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from gapura.atlas.proxies import Trust, client
from gapura.clock import SECOND
from gapura.errors import Forbidden, UnknownKey
from gapura.settings import Settings
from gapura.store import keys, links
from gapura.store.base import Connection
from gapura.store.links import Pass
from gapura.store.secrets import Secret

HOUR = 3600 * SECOND


class Door:
    """`public_url` decides what the cookie is called, and which pages may send forms."""

    def __init__(self, settings: Settings, secret: Secret) -> None:
        self._secret = secret
        parts = urlsplit(settings.public_url)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower()
        self._secure = parts.scheme == "https"
        self._cookie = "__Host-gapura" if self._secure else "gapura"
        self._trust = Trust(settings.trusted_proxies, settings.client_header)

    def address(self, request: Request) -> str:
        """The client's, behind proxies that are trusted."""
        peer = request.client.host if request.client else ""
        forwarding = [(name, value) for name, value in request.headers.raw if name in self._trust.headers]
        return client(peer, forwarding, self._trust)[0] if forwarding else peer

    def browser(self, request: Request, at: int) -> Pass | None:
        """Whom a browser was let in as."""
        return links.opened(self._secret, request.cookies.get(self._cookie, ""), at)

    def by_link(self, token: str, at: int) -> Pass | None:
        found = links.opened(self._secret, token, at)
        return found._replace(link=found.link or found.ends) if found else None

    def by_key(self, db: Connection, key: str, address: str, at: int) -> Pass | None:
        """None for a key that is unknown, over or revoked, or may not be used from there.  One of a suspended account
        is good here: that account is who needs these pages."""
        found = keys.by_digest(db, self._secret.digest(key))
        if found is None or found.revoked or 0 < found.expires_at <= at:
            return None
        if found.cidrs and not Trust(found.cidrs).trusts(address):
            return None
        return Pass(found.account_id, "object", at + HOUR, at)

    def program(self, db: Connection, request: Request, at: int) -> Pass:
        """A program with `Authorization: Bearer`, and a link's last part or a key.  Raises UnknownKey."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        found = None
        if scheme.lower() == "bearer" and token:
            found = self.by_link(token, at) or self.by_key(db, token, self.address(request), at)
        if found is not None and links.is_revoked(db, found):
            raise UnknownKey("This link was revoked.")
        if found is None:
            raise UnknownKey("Send `Authorization: Bearer` with an API key of the account, or with a link's last part.")
        return found

    def let_in(self, answer: Response, as_: Pass, at: int) -> None:
        ends = min(as_.ends, at + HOUR)
        token = links.sign(self._secret, as_._replace(ends=ends))
        self._set(answer, token, max(0, (ends - at) // SECOND))

    def let_out(self, answer: Response) -> None:
        self._set(answer, "", 0)

    def seal(self, request: Request) -> str:
        """What the forms of a page carry."""
        token = request.cookies.get(self._cookie, "")
        made = hmac.digest(self._secret.derive("portal-form"), token.encode(), "sha256")
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    def check_form(self, request: Request, seal: str) -> None:
        """Raises Forbidden for a form that no page of ours has sent."""
        self.check_site(request)
        if not hmac.compare_digest(seal.encode(), self.seal(request).encode()):
            raise Forbidden("this form is not from a page of yours")

    def check_site(self, request: Request) -> None:
        """Raises Forbidden for what another site's page makes a browser send."""
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() != self._origin:
            raise Forbidden("this was sent by another site")

    def _set(self, answer: Response, value: str, seconds: int) -> None:
        answer.set_cookie(
            self._cookie, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
