"""An application goes on sending the name of a model that is gone: it is answered, and every answer says by whom."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.running import Gateway, serving

DOCUMENT = """
policies = []

[routes.mine]
targets = ["openai/gpt-5"]
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with serving(Path(tmp_path_factory.mktemp("stand-ins")), DOCUMENT, GAPURA_SITE_TERRITORY="SG") as gateway:
        yield gateway


def test_a_name_that_is_gone_is_answered_by_its_counterpart_and_said_so(gateway: Gateway) -> None:
    answer = gateway.chat("gpt-3.5-turbo")
    assert (answer.status, answer.provider) == (200, "openai/gpt-6-luna")
    assert answer.headers["gapura-losses"].split(", ")[0] == "model"
    assert gateway.chat("gpt-6-luna").headers.get("gapura-losses") is None


def test_a_name_of_elsewhere_is_answered_by_whoever_is_first(gateway: Gateway) -> None:
    assert gateway.chat("claude-3-5-haiku-latest").provider == "openai/gpt-6-luna"
    assert gateway.chat("ERNIE-3.5-8K").provider.startswith("openai/")
    assert gateway.chat("somebody-s-own").code == "model_not_found"


def test_who_wants_the_model_itself_is_refused(gateway: Gateway) -> None:
    answer = gateway.chat("gpt-3.5-turbo", key=gateway.key("default", "--strict"))
    assert (answer.status, answer.error["param"]) == (400, "model")
    assert "gpt-3.5-turbo is not served here" in answer.error["message"]


def test_a_model_that_is_about_to_end_says_so(gateway: Gateway) -> None:
    """Until its end by its own name, and after it for as long as a route leads there."""
    assert gateway.chat("mine").headers["gapura-model"] == "ends=2026-12-11;counterpart=openai/gpt-6.1-sol"
    assert "gapura-model" not in gateway.chat("gpt-6-luna").headers
    shown = gateway.cli("policy", "show")["problems"]
    assert any("route mine leads to openai/gpt-5, which its vendor ends on 2026-12-11" in one for one in shown)
