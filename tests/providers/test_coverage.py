"""Every parameter that is published has a line in the table that translates it: what an SDK learns, they must learn."""

from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from anthropic.types import message_create_params as messages_params
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as responses_params
from tests.programs import TESTS, found, python

from gapura.providers import PROVIDERS
from gapura.providers.vendor import Vendor
from gapura.wire.messages.request import FIELDS as MESSAGES
from gapura.wire.responses.request import FIELDS as RESPONSES

# What the SDKs send elsewhere than in the body.
HEADERS = frozenset({"extra_headers", "extra_query", "extra_body", "timeout", "betas"})

ENDPOINTS = {
    "responses": (responses_params, RESPONSES),
    "messages": (messages_params, MESSAGES),
}


def published(module: Any) -> set[str]:
    """The fields of every `…CreateParams…` of one module of an SDK."""
    found: set[str] = set()
    for name in dir(module):
        if name.endswith(("CreateParamsBase", "CreateParamsNonStreaming", "CreateParamsStreaming")):
            found |= get_type_hints(getattr(module, name)).keys()
    assert found, module
    return found - HEADERS


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_parameter_of_an_endpoint_has_a_line(endpoint: str) -> None:
    module, table = ENDPOINTS[endpoint]
    assert published(module) - set(table) == set()


@pytest.mark.parametrize(
    "vendor", [one for one in PROVIDERS.values() if isinstance(one, Vendor)], ids=lambda one: one.name
)
def test_every_parameter_of_chat_has_a_line_for_each_vendor(vendor: Vendor) -> None:
    fields: Mapping[str, Any] = vendor.fields
    assert published(chat_params) - set(fields) == set()


# The SDK's own: how it connects, and what stands outside the model's parameters.
OWN = frozenset({"self", "api_key", "workspace", "kwargs", "timeout", "extra_headers", "extra_body", "extra"})
# DashScope's own protocol asks so for the form of an answer; its compatible mode has only one.
FORMS = frozenset({"prompt", "history", "plugins", "result_format", "incremental_output", "output_format"})


@pytest.mark.parametrize(("package", "vendor"), [("zai", "glm"), ("zhipuai", "glm"), ("dashscope", "qwen")])
def test_every_parameter_of_a_vendors_sdk_has_a_line(package: str, vendor: str) -> None:
    told = found(TESTS / "vendor_sdks" / "parameters_program.py", [package], by=python(package))
    provider = PROVIDERS[vendor]
    assert isinstance(provider, Vendor) and "messages" in told
    assert set(told) - OWN - FORMS - set(provider.fields) == set()


def test_a_parameter_that_an_sdk_learns_is_missed() -> None:
    table = {name: line for name, line in RESPONSES.items() if name != "input"}
    assert published(responses_params) - set(table) == {"input"}
