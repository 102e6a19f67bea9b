"""Logs: one line an event on standard error, for people or for machines; never a key, a prompt or an answer."""

import logging
import sys

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, form: str) -> None:
    """For this process and those forked from it.  `form` is text or json."""
    shown = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if form == "text" else None
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *((shown,) if shown else (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # What libraries say (uvicorn's shutdown, asyncio's surprises) goes the same way.
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), stream=sys.stderr, format="%(message)s", force=True)
