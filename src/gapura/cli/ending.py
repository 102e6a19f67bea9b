"""How a command ends: its exit code, and one line on standard error with the way out."""

import json
import sys
from typing import Any

import click

from gapura.errors import GapuraError
from gapura.runtime import HomeTaken
from gapura.settings import BadSetting

OK = 0
FAILED = 1
USAGE = 2
NO = 3
AUTHENTICATION = 4
UNREACHABLE = 5
INTERRUPTED = 130

BY_STATUS = {401: AUTHENTICATION, 403: AUTHENTICATION, 502: UNREACHABLE, 503: UNREACHABLE, 504: UNREACHABLE}


class Failed(click.ClickException):
    """`code` is for programs, `field` names what to change in the command or the document, `hint` the next step."""

    def __init__(
        self, message: str, *, exit_code: int = FAILED, code: str = "failed", field: str = "", hint: str = ""
    ) -> None:
        super().__init__(message)
        self.ends_with, self.code, self.field, self.hint = exit_code, code, field, hint


def known(error: Exception) -> Failed | None:
    """What a person can act on; None for a mistake of ours, which keeps its traceback."""
    match error:
        case BadSetting():
            return Failed(str(error), exit_code=USAGE, code="bad_setting")
        case HomeTaken():
            return Failed(str(error), code="home_taken")
        case GapuraError():
            # It was raised here, on this machine: whatever its status is over HTTP, nobody was out of reach.
            return Failed(error.message, code=error.code or "failed", field=error.param or "")
        case OSError(strerror=str(why), filename=str(path)):
            return Failed(f"{path}: {why}", code="system")
        # DuckDB's are of a file that is none, or of a full disk; it is too heavy to import for its name.
        case _ if isinstance(error, OSError) or type(error).__module__.endswith("duckdb"):
            return Failed(str(error).partition("\n")[0], code="system")
    return None


def tell(error: click.ClickException, *, as_json: bool) -> int:
    """Says it and gives the exit code.  Usage errors of Click name the command whose --help helps."""
    message = " ".join(error.format_message().split())
    hint = getattr(error, "hint", "")
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"see {error.ctx.command_path} --help"
    if as_json:
        said: dict[str, Any] = {"code": getattr(error, "code", "usage"), "message": message}
        said |= {"field": getattr(error, "field", ""), "hint": hint}
        print(json.dumps({"error": said}, ensure_ascii=False), file=sys.stderr)  # noqa: T201 - it is what we are for
    else:
        click.echo(f"gapura: {message}" + (f" ({hint})" if hint else ""), err=True)
    return error.ends_with if isinstance(error, Failed) else error.exit_code
