"""Gateways as whole programs; nothing of the environment of whoever runs the tests reaches them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.running import runtime_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's gateways have their folders."""
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture
def runtime() -> Iterator[str]:
    """For Unix sockets, whose paths are short."""
    with runtime_folder() as found:
        yield found
