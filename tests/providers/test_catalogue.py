"""Facts about hosts and models: found by name, and unknown rather than guessed."""

from datetime import date

import pytest

from gapura.providers.catalogue import Model, base_url, catalogue, model, territory


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://api.openai.com/v1", "US"),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "CN"),
        ("https://cn-hongkong.dashscope.aliyuncs.com/compatible-mode/v1", "HK"),
        ("https://ws-1.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1", "SG"),
        ("https://QIANFAN.baidubce.com:443/v2", "CN"),
        ("https://api.z.ai/api/paas/v4", ""),
        ("https://openai.com.example/v1", ""),
        ("http://127.0.0.1:9000/v1", ""),
        ("", ""),
    ],
)
def test_territory(url: str, where: str) -> None:
    assert territory(url) == where


@pytest.mark.parametrize("name", catalogue().vendors)
def test_each_provider_has_a_place(name: str) -> None:
    assert territory(base_url(name))


@pytest.mark.parametrize(
    ("provider", "name", "known_as"),
    [
        ("qwen", "qwen3.5-plus", "qwen3.5-plus"),
        ("qwen", "qwen3.5-plus-2026-02-15", "qwen3.5-plus*"),
        ("qwen", "qwen3.9-mega", "qwen3.*"),
        ("qwen", "qwen3-8b", "qwen3*"),
        ("openai", "gpt-5-2025-08-07", "gpt-5*"),
        ("glm", "glm-4v-plus", "glm-4v*"),
    ],
)
def test_a_model_is_known_by_its_name_or_its_longest_beginning(provider: str, name: str, known_as: str) -> None:
    assert model(provider, name) == catalogue().vendors[provider].models[known_as] != Model()


@pytest.mark.parametrize(("provider", "name"), [("qwen", "*"), ("qwen", "gpt-4o"), ("glm", "glm"), ("nobody", "x")])
def test_what_nobody_told_is_unknown(provider: str, name: str) -> None:
    assert model(provider, name) == Model()


def test_the_data_is_sound() -> None:
    date.fromisoformat(catalogue().as_of)
    for vendor in catalogue().vendors.values():
        for name, facts in vendor.models.items():
            assert not facts.shut_down or date.fromisoformat(facts.shut_down)
            assert facts.thinks != "default" or facts.switch, f"{name} cannot be switched off"
