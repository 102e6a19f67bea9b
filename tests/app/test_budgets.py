"""Budgets through the whole program: a model's own, which is passed over when it is used up; an account's, in money."""

import json
from pathlib import Path

from tests.app.running import Answer, Gateway, serving, until

DOCUMENT = """
[routes.m]
targets = ["glm/glm-4.6", "qwen/qwen-plus"]
failover = "anywhere"
[prices."glm/glm-4.6"]
currency = "CNY"
input = 4
output = 16
"""
BODY = json.dumps({"model": "m", "max_tokens": 200, "messages": [{"role": "user", "content": "Halo!"}]}).encode()


def ask(gateway: Gateway, key: str) -> Answer:
    return gateway.post(BODY, {"authorization": f"Bearer {key}"})


def total(answer: Answer) -> int:
    return int(json.loads(answer.body)["usage"]["total_tokens"])


def spent(gateway: Gateway, budget: str) -> int:
    return sum(window["standing"]["spent"] for window in gateway.cli("budget", "show", budget)["windows"])


def test_budgets_in_a_running_gateway(folder: Path) -> None:
    with serving(folder / "budgets", DOCUMENT, GAPURA_SITE_TERRITORY="SG", GAPURA_WORKERS="2") as gateway:
        gateway.cli("account", "add", "acme")
        key = gateway.key("acme")
        of = ("--account", "acme")
        glm = gateway.cli("budget", "set", *of, "--amount", "1500", "--window", "month", "--model", "glm-*")["id"]
        until(lambda: gateway.cli("account", "show", "acme")["budgets"])
        used, answer = 0, ask(gateway, key)
        while answer.provider == "glm/glm-4.6":
            used += total(answer)
            answer = ask(gateway, key)
        assert answer.provider == "qwen/qwen-plus" and 1000 < used <= 1500
        until(lambda: spent(gateway, glm) == used)
        gateway.cli("budget", "remove", glm, "--reason", "over")
        until(lambda: ask(gateway, key).provider == "glm/glm-4.6")

        money = gateway.cli("budget", "set", *of, "--amount", "0.01", "--unit", "CNY", "--window", "day")
        assert "qwen/qwen-plus" in money["unpriced"]
        until(lambda: ask(gateway, key).status == 429)
        last = ask(gateway, key)
        assert (last.code, last.headers["x-should-retry"]) == ("insufficient_quota", "false")
        until(lambda: 0 < spent(gateway, money["id"]) <= 10_000_000)
