"""Homes and keepers for commands: real folders, locks and sockets, and no variable of whoever runs the tests."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import CliRunner, Result

from gapura import runtime
from gapura.cli import gapura, offline
from gapura.console.api import admin
from gapura.settings import PROVIDER_VARIABLES, Settings
from gapura.store.sqlite import Store

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("GAPURA_", "XDG_RUNTIME", *PROVIDER_VARIABLES.values())
    for name in [name for name in os.environ if name.startswith(ours)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Run:
    """`run("account", "list")`, in this process."""
    runner = CliRunner()
    return lambda *args: runner.invoke(gapura, [str(arg) for arg in args], prog_name="gapura")


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Any]:
    """A keeper of the default home, on its Unix socket and on a port; gives the port."""
    settings = Settings.load({}, {}, cwd=tmp_path)
    with ExitStack() as stack:
        stack.enter_context(runtime.hold(settings.home))
        store = Store.open(settings.database_path)
        stack.callback(store.close)
        local, tcp = stack.enter_context(socket.socket(socket.AF_UNIX)), stack.enter_context(socket.socket())
        local.bind(str(runtime.socket_path(settings.home)))
        tcp.bind(("127.0.0.1", 0))
        context = offline.context(settings, store)
        servers = []
        for listener, is_local in ((local, True), (tcp, False)):
            listener.listen()
            config = uvicorn.Config(admin(context, local=is_local), lifespan="off", log_config=None)
            servers.append((uvicorn.Server(config), listener))

        async def serve() -> None:
            async with asyncio.TaskGroup() as tasks:
                for server, listener in servers:
                    tasks.create_task(server.serve([listener]))

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        yield tcp.getsockname()[1]
        for server, _ in servers:
            server.should_exit = True
        thread.join()
