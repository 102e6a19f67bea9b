"""A vendor's error, found in whatever shape it came: never raises.

{"error": {"code", "type", "message", "param"}}     OpenAI, Qianfan v2, DashScope compatible, BigModel
{"code", "message", "request_id"}                   DashScope native and Qianfan's console
{"Code", "Message", "RequestId"}                    Alibaba Cloud's front
{"error_code", "error_msg"}, {"code", "msg"}        Qianfan v1
{"error": "invalid_client", "error_description"}    OAuth
[{"error": {…}}]                                    Gemini
{"code": 401, "msg", "success": false}              BigModel's and Z.ai's front, in a 200
{"object": "error", "message", "code": 400}         vLLM, SGLang
{"detail": "…"}, {"detail": [{"loc", "msg"}]}       servers made with FastAPI
{"timestamp", "status", "error", "path"}            BigModel, where there is no such path
error code: 1009                                    Cloudflare, before whom it guards is asked
event:error ⏎ :HTTP_STATUS/400 ⏎ data:{…}           DashScope, also under application/json
"[1301][text][request id]"                          BigModel behind Anthropic's dialect
<html>…                                             a front that never asked the vendor
"""

import html
import re
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from gapura.wire.sse import Blocks, Event, StreamError, events

JSON = msgspec.json.Decoder()

FRAMED = re.compile(rb"\s*(?:id|event|data)?:")
MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
BRACKETED = re.compile(r"\[(\d{3,5})\]\[(.*)\]\[[0-9A-Za-z]*\]", re.DOTALL)


# Where a body says that it is none of 200, in a field of its own or as its code.
FAILED = range(HTTPStatus.BAD_REQUEST, 600)

# Of a page no more is looked at; what a front has to say stands at its top.
MAX_PAGE = 8192


class Said(NamedTuple):
    """`readable`: whether it was an error in a known shape, `page` the words of what was not; `status` is the true one,
    where the body corrects it."""

    status: int
    code: str
    kind: str
    message: str
    param: str | None
    readable: bool
    page: str = ""


def decode(text: bytes | str) -> Any:
    """A JSON value.  Raises ValueError on anything else."""
    try:
        return JSON.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def read_error(status: int, body: bytes) -> Said:
    if FRAMED.match(body):
        framed = first_event(body)
        status, body = true_status(framed, status), framed.data.encode("utf-8", "replace")
    try:
        return from_json(status, decode(body))
    except ValueError:
        page = MARKUP.sub(" ", body[:MAX_PAGE].decode("utf-8", "replace"))
        return Said(status, "", "", "", None, readable=False, page=" ".join(html.unescape(page).split()))


def from_json(status: int, said: Any) -> Said:
    if isinstance(said, list):
        said = said[0] if said else {}
    outer = _lowered(said) if isinstance(said, dict) else {}
    inner = outer.get("error")
    if isinstance(inner, str) and {"timestamp", "path"} <= outer.keys():
        return Said(status, "", "", "", None, readable=False)  # a web framework's: no word of the vendor's
    error = _lowered(inner) if isinstance(inner, dict) else outer
    if isinstance(details := outer.get("detail"), list):
        error = _refused(details)
    message = _text(error, "message", "error_msg", "error_description", "msg", "detail")
    code = _text(error, "code", "error_code")
    if status < HTTPStatus.BAD_REQUEST:
        status = next((it for it in map(_number, (outer.get("status_code"), code)) if it in FAILED), status)
    kind = _text(error, "type", "status")
    if isinstance(inner, str):
        code, message = code or inner, message or inner
    if bracketed := BRACKETED.fullmatch(message):
        code, message = bracketed[1], bracketed[2]
    param = error.get("param")
    return Said(status, code, kind, message, param if isinstance(param, str) else None, bool(code or message))


def _refused(details: list[Any]) -> dict[str, Any]:
    """FastAPI's list of what is wrong with a request, as one error."""
    found = [one for one in details if isinstance(one, dict)]
    where = [".".join(map(str, one["loc"])) for one in found if isinstance(one.get("loc"), list)]
    return {
        "message": "; ".join(_text(one, "msg") for one in found),
        "param": where[0].removeprefix("body.") if where else None,
    }


def first_event(body: bytes) -> Event:
    """The first event of an SSE-framed body, whole or not."""
    blocks = Blocks()
    try:
        found = list(events([*blocks.feed(body), blocks.rest]))
    except StreamError:
        found = []
    return found[0] if found else Event("")


def true_status(event: Event, status: int) -> int:
    """DashScope's comment `HTTP_STATUS/400` tells the status that the response line does not."""
    for comment in event.comments:
        name, _, number = comment.partition("/")
        if name == "HTTP_STATUS" and re.fullmatch(r"[1-5]\d\d", number):
            return int(number)
    return status


def _lowered(said: dict[Any, Any]) -> dict[Any, Any]:
    return {str(name).lower(): value for name, value in said.items()}


def _number(said: Any) -> int:
    return int(said) if isinstance(said, int | str) and re.fullmatch(r"\d{3}", str(said)) else 0


def _text(error: dict[Any, Any], *names: str) -> str:
    for name in names:
        match error.get(name):
            case str(text) if text:
                return text
            case int(number) if not isinstance(number, bool):
                return str(number)
    return ""
