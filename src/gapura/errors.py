"""Every failure that a caller may be told about, and nothing else.

    GapuraError
    ├── Refused                 the caller can act on it
    │   ├── BadRequest              400
    │   ├── UnknownKey              401
    │   ├── Forbidden               403  a key's scope, an account's state
    │   │   └── Unpriced                403  a budget in money, and no price in that currency
    │   ├── RegionBlocked           403  OpenAI's own body, byte for byte
    │   ├── NotFound                404
    │   ├── TooLarge                413
    │   └── LimitReached            429
    ├── Unready                 503  this gateway, for now
    └── UpstreamFailed          502  the provider's doing; carries what the provider said, in OpenAI's words

A bug of ours stays a builtin exception.  An error knows its status; how it is said is the edge's business
(`gapura.wire.openai.render`): a response before the first byte, the stream's last event after it.
"""

from collections.abc import Sequence
from typing import Self


class GapuraError(Exception):
    """Base class; raise one of the others.

    `status` is the HTTP status, `kind` and `code` are `error.type` and `error.code` of OpenAI's error object,
    `param` names the field, `retry_after` is in seconds, `should_retry` becomes the header `x-should-retry`
    (None: not sent, the client's SDK judges by the status), `limits` are headers that say what is left of a rate limit.
    """

    status: int = 500
    kind: str = "server_error"
    code: str | None = "internal_error"
    should_retry: bool | None = None
    limits: Sequence[tuple[bytes, bytes]] = ()

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        if code is not None:
            self.code = code

    def bare(self) -> Self:
        """Without the way it came.  That holds the stages which it passed, and some of them hold the error: nothing of
        the request would go before the garbage collector comes by."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


class Refused(GapuraError):
    """The request cannot be served as it is; sending it again will not help."""

    status = 400
    kind = "invalid_request_error"
    code: str | None = None


class BadRequest(Refused):
    """Malformed or impossible; `param` names the field."""


class UnknownKey(Refused):
    """No key, or one that does not exist, has expired or was revoked."""

    status = 401
    code = "invalid_api_key"


class Forbidden(Refused):
    """The key's scope or the account's state does not allow it."""

    status = 403
    code = "permission_denied"


class Unpriced(Forbidden):
    """A budget in money applies, and nobody has told what the model costs in that currency."""

    code = "price_unknown"
    should_retry = False


class RegionBlocked(Refused):
    """No provider of the route may serve the caller's place.

    Status, code, message and type are OpenAI's own, so that applications which handle its refusal handle ours.
    """

    status = 403
    kind = "request_forbidden"
    code = "unsupported_country_region_territory"
    should_retry = False

    def __init__(self, message: str = "Country, region, or territory not supported") -> None:
        super().__init__(message)


class NotFound(Refused):
    """No such endpoint, model or object."""

    status = 404
    code = "not_found"


class TooLarge(Refused):
    """The request exceeds a stated limit."""

    status = 413
    code = "request_too_large"


class LimitReached(Refused):
    """A rate limit (`kind` is what ran out, as with OpenAI: requests or tokens) or a spent budget."""

    status = 429
    kind = "requests"
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, kind: str = "requests", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.kind = kind


class QuotaSpent(LimitReached):
    """The budget is used up: waiting does not help, so SDKs are told not to retry."""

    kind = "insufficient_quota"
    code = "insufficient_quota"
    should_retry = False

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="insufficient_quota")


class Unready(GapuraError):
    """This gateway cannot serve it for now: stale rules, a full journal, no keeper for a limited account."""

    status = 503
    code = "gateway_unready"


class UpstreamFailed(GapuraError):
    """A provider failed or refused.

    `advance`: whether another target may be tried.  `trips`: whether it speaks against the target's health.
    """

    status = 502
    code: str | None = "upstream_failed"

    def __init__(  # noqa: PLR0913 - the fields of one error object
        self,
        message: str,
        *,
        status: int = 502,
        kind: str = "server_error",
        code: str | None = "upstream_failed",
        param: str | None = None,
        retry_after: float | None = None,
        advance: bool = True,
        trips: bool = True,
        retry: bool | None = None,
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after)
        self.status, self.kind, self.code = status, kind, code
        self.advance, self.trips, self.should_retry = advance, trips, retry
