"""Logs: one line an event on standard error, for people or for machines; never a key, a prompt or an answer.

Of a bug they tell its kind and where it was met, and not its words: `KeyError` and `ValueError` repeat what they choked
on, which is what a caller sent.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
Raised = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(level: str, form: str) -> None:
    """For this process and those forked from it.  `form` is text or json."""
    shown: Any = structlog.processors.JSONRenderer()
    if form == "text":
        plain = structlog.dev.plain_traceback  # of a bug as a text; the others show variables
        shown = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(told),
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # What libraries say (uvicorn's shutdown, asyncio's surprises) goes the same way.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Wordless("%(message)s"))
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), handlers=[handler], force=True)


def told(exc_info: Raised) -> str:
    """The kind of an exception and where it came by, and likewise of what led to it."""
    return "\n".join(_told(exc_info[1]))


def _told(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _told(before)
        yield "which led to:"
    yield "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _told(one)


class Wordless(logging.Formatter):
    """As above, for what comes by the standard library's logging."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is the standard library's
        return told(ei)
