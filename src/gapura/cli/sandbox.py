"""`gapura sandbox`: the vendors' simulators, without a gateway."""

import asyncio
import json
from contextlib import suppress

import click
import uvloop

from gapura.app.serve import bind
from gapura.sandbox import base_urls, native_url, run


@click.command(short_help="Run the vendors' simulators alone.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8090, show_default=True, type=click.IntRange(0, 65_535), help="Port; 0 takes a free one."
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON.")
def sandbox(host: str, port: int, *, as_json: bool) -> None:
    """Run the simulators of OpenAI, DashScope, Qianfan and BigModel until Ctrl-C.

    They answer in each vendor's own form, always the same to the same request, and cost nothing.
    """
    listener = bind(host, port, "--port")
    at = listener.getsockname()[1]
    urls = base_urls(at, host) | {"dashscope native": native_url(at, host)}
    if as_json:
        click.echo(json.dumps({"schema": "gapura.sandbox/1", "data": urls, "warnings": []}))
    else:
        click.echo("\n".join(f"{name:<17} {url}" for name, url in urls.items()))
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        uvloop.run(run(listener))
