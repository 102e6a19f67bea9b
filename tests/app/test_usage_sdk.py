"""What an account used and paid, through OpenAI's own SDK, from a gateway of processes: gate and keeper on a socket."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.app.running import AUTHORIZED, BETWEEN_S, HELLO, KEY, PATIENCE_S, Gateway, request, serving

ROUTES = '[routes.gpt-4o-mini]\ntargets = ["glm/glm-4-flash"]\n[routes.qwen-plus]\ntargets = ["qwen/qwen-plus"]\n'


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    with serving(folder / "usage", ROUTES, GAPURA_SITE_TERRITORY="SG") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def used(gateway: Gateway) -> int:
    """Three answers by two models; how many tokens those were."""
    with gateway.client() as client:
        models = ("gpt-4o-mini", "gpt-4o-mini", "qwen-plus")
        answers = [client.chat.completions.create(model=model, messages=HELLO) for model in models]
    return sum(answer.usage.total_tokens for answer in answers if answer.usage)


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(api_key=KEY, admin_api_key=KEY, base_url=gateway.url, max_retries=0) as client:
        yield client


def until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """The journal is taken in soon, and an answer is good for five seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not good(found := ask()) and time.monotonic() < deadline:
        time.sleep(BETWEEN_S)
    return found


def asked(page: Any) -> int:
    return sum(one.num_model_requests for bucket in page.data for one in bucket.results)


def test_the_sdk_reads_use(admin: OpenAI, used: int) -> None:
    start = int(time.time()) - 3600  # noqa: TID251 - the gateway's clock is the machine's
    found = until(
        lambda: admin.admin.organization.usage.completions(start_time=start, bucket_width="1d", group_by=["model"]),
        lambda page: asked(page) == 3,
    )
    results: list[Any] = [one for bucket in found.data for one in bucket.results]
    assert {one.model: one.num_model_requests for one in results} == {"glm-4-flash": 2, "qwen-plus": 1}
    assert sum(one.input_tokens + one.output_tokens for one in results) == used
    assert not found.has_more


def test_the_sdk_reads_costs(admin: OpenAI, used: int) -> None:
    start = int(time.time()) - 3600  # noqa: TID251 - as above
    page = admin.admin.organization.usage.costs(start_time=start, group_by=["line_item"])
    results: list[Any] = [one for bucket in page.data for one in bucket.results]
    assert results, "a grant pays for none of it"
    assert all(one.amount.value > 0 and one.amount.currency in {"usd", "cny"} for one in results)
    assert {one.line_item for one in results} <= {"glm-4-flash", "qwen-plus"}


def test_what_cannot_be_meant_is_said_as_openai_says_it(admin: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        admin.admin.organization.usage.completions(start_time=1, limit=1000)
    assert caught.value.param == "limit"


def test_our_own_page(gateway: Gateway, used: int) -> None:
    answer = request(f"{gateway.url}/usage?group_by=provider", headers=AUTHORIZED)
    told = json.loads(answer.body)
    assert {row["provider"] for row in told["data"]} <= {"glm", "qwen"}
    assert told["grants"] == []
    assert request(f"{gateway.url}/usage").status == 401
