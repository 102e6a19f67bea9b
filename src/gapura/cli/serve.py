"""`gapura serve`: run the gateway."""

import os
import sys

import click

from gapura.app import serve as app
from gapura.cli.ending import Failed
from gapura.rulebook.documents import BadDocument
from gapura.settings import Settings


@click.command(short_help="Run the gateway.")
@click.option("--sandbox", is_flag=True, help="Simulate the vendors; nothing leaves this machine.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Number of gates; without it one a core.")
@click.option("--host", help="Address on which the gates listen.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port of the gates.")
def serve(*, sandbox: bool, workers: int | None, host: str | None, port: int | None) -> None:
    """Run the gateway in the foreground until Ctrl-C or SIGTERM; then it drains and ends.

    Settings come from GAPURA_* variables and gapura.toml; providers from their API keys in the environment. In a
    new state without any key, the vendors are simulated.
    """
    flags = {"workers": workers, "host": host, "port": port}
    try:
        code = app.serve(Settings.load(os.environ, flags=flags), sandbox=sandbox)
    except BadDocument as error:
        raise Failed(str(error), code="bad_document") from error
    sys.exit(code)
