"""How the admin API says no: `{"error": {"code", "message", "field", "hint"}}`, and which error becomes what."""

import difflib
import re

import msgspec
from starlette.responses import Response

from gapura.errors import BadRequest, GapuraError
from gapura.shapes import plainly


class Invalid(BadRequest):
    """The body or the query is well formed, but a field of it cannot be."""

    status = 422
    code = "invalid_field"


class Problem(msgspec.Struct, frozen=True):
    """`field` names what to change in the request, `hint` the next step; both "" where there is none."""

    code: str
    message: str
    field: str = ""
    hint: str = ""


class Problems(msgspec.Struct, frozen=True):
    """The body of every answer from 400 on."""

    error: Problem


HINTS = {
    "unauthenticated": "Send `Authorization: Bearer <admin token>`; `gapura principal create` makes one.",
    "foreign_host": "Use the address that the keeper listens on, or add the name to GAPURA_ALLOWED_HOSTS.",
}

# msgspec's own words, taken apart: the place in the document, and the name of the field.
PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
NAME = re.compile(r"(?P<kind>missing required|contains unknown) field `(?P<name>[^`]*)`")


def answer(error: GapuraError) -> Response:
    code = error.code or "invalid_request"
    body = Problems(Problem(code, error.message, error.param or "", HINTS.get(code, "")))
    headers = {"retry-after": str(round(error.retry_after))} if error.retry_after else {}
    if error.status == 401:  # noqa: PLR2004 - RFC 9110, 15.5.2: a 401 names the scheme
        headers["www-authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), error.status, headers, "application/json")


def invalid(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> Invalid:
    """The field that msgspec complains of, with a suggestion where its name is nearly one of `kind`."""
    found = PLACE.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    if name := NAME.search(what):
        path = f"{path}.{name['name']}".lstrip(".")
        verb = "is missing" if name["kind"].startswith("missing") else "is not a field of this request"
        near = difflib.get_close_matches(name["name"], kind.__struct_encode_fields__, n=1)
        suggestion = f" (did you mean {near[0]}?)" if near and verb != "is missing" else ""
        return Invalid(f"{path} {verb}{suggestion}", param=path)
    what = plainly(what)
    return Invalid(f"{path or 'the body'}: {what[:1].lower()}{what[1:]}", param=path or None)
