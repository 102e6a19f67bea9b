"""Errors wherever they come, what they mean, and where the key goes."""

import re
from collections.abc import Iterator

import msgspec

from gapura.errors import UpstreamFailed
from gapura.providers.base import Provider
from gapura.testing.cases import Cases, Refusal
from gapura.testing.streams import read
from gapura.wire import openai

TARGET = re.compile(r"/[!-~]*")
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
VALUE = re.compile(rb"[ -~]*")

BELOW = 400


def failures(provider: Provider, cases: Cases) -> Iterator[str]:
    yield from _key(provider, cases)
    for number, case in enumerate(cases.errors):
        for finding in _error(provider, cases, case):
            yield f"failures: {finding} ({number})"
    for status in (302, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529):
        failure = provider.fault(status, (), b"")
        if failure.status < BELOW:
            yield f"failures: {status} is no error to the caller"
        if failure.status == 401:  # noqa: PLR2004
            yield "failures: a refusal of the gateway's key is told to the caller as one of theirs (401)"
    waits = provider.fault(429, ((b"retry-after", b"7"),), b"").retry_after
    if waits != 7:  # noqa: PLR2004
        yield "failures: the time that the vendor asks for (Retry-After) is lost"


def _error(provider: Provider, cases: Cases, case: Refusal) -> Iterator[str]:
    yield from _meant("", case, provider.fault(case.status, (), case.body))
    try:
        provider.answer(case.body, cases.model)
        yield "an error inside a 200 is passed on as an answer"
    except UpstreamFailed:
        pass
    if read(provider.reader(cases.model, include_usage=True), [case.body])[1]:
        yield "an error in the place of a stream is swallowed"
    if not case.event:
        return
    try:
        reader = provider.reader(cases.model, include_usage=True)
        reader.feed(case.event)
        reader.close()
        yield "an error at the beginning of a stream is swallowed"
    except UpstreamFailed as failure:
        yield from _meant("at the beginning of a stream ", case, failure)
    for stream in cases.streams[:1]:
        yield from _late(provider, cases, stream.wire, case)


def _late(provider: Provider, cases: Cases, wire: bytes, case: Refusal) -> Iterator[str]:
    """After half a stream."""
    blocks = wire.split(b"\n\n")
    half = b"\n\n".join([*blocks[: len(blocks) // 2], b""])
    reader = provider.reader(cases.model, include_usage=True)
    try:
        reader.feed(half)
        reader.feed(case.event)
        reader.close()
        yield "an error in the middle of a stream is swallowed"
    except UpstreamFailed:
        pass


def _meant(where: str, case: Refusal, failure: UpstreamFailed) -> Iterator[str]:
    if (failure.status, failure.code) != (case.means, case.code):
        meant = f"{case.means} {case.code}"
        yield f"{where}it means {meant}, and is told as {failure.status} {failure.code}"
    if case.retry is False and failure.should_retry is not False:
        yield f"{where}nobody shall try again, and it does not say so"


def _key(provider: Provider, cases: Cases) -> Iterator[str]:
    """Into headers, and nowhere else: paths and messages are logged."""
    key = cases.key
    headers = list(provider.headers(key))
    if not any(name not in {b"content-type", b"accept"} for name, _ in headers):
        yield "failures: no header proves who asks"
    for name, value in headers:
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            yield f"failures: {name!r} cannot stand in a request: names are lower case, values plain"
        if key.encode() in name:
            yield "failures: the key stands in the name of a header"
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "Halo"}], "stream": True})
    done = provider.translate(body, openai.read(body), cases.model, None)
    path = done.path or provider.path
    if not TARGET.fullmatch(path):
        yield f"failures: {path!r} is no path of the endpoint: only the configuration chooses a host"
    sent = [path.encode(), done.body, *(value for _, value in done.headers)]
    if any(key.encode() in one for one in sent):
        yield "failures: the key goes out in a path, a body or a second header"
    for status in (400, 401, 403, 500):
        text = f"Incorrect API key provided: {key}. You can find your key elsewhere."
        for error in ({"error": {"message": text, "code": "odd"}}, {"message": text, "code": "odd"}):
            if key in provider.fault(status, (), msgspec.json.encode(error)).message:
                yield f"failures: the key is told to the caller, who gets the vendor's words ({status})"
