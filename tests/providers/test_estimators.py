"""Estimates of tokens: against vendors' own vocabularies where a test environment has them."""

import json
import sys
from pathlib import Path

import pytest
from tests.programs import TESTS, found, python

from gapura.providers import estimators
from gapura.providers.estimators import measured, of
from gapura.providers.vocabularies import vocabulary
from gapura.wire.tokens import kinds

HERE = TESTS / "providers"

# Texts of our own in the languages that notices have, and what programs send.
TEXTS = {
    "en": "Requests from places that the provider does not support will be refused from the ninth of July. " * 8,
    "zh": "自七月九日起，来自该服务商不支持的国家和地区的请求将被拒绝。请在此之前迁移您的应用程序，或提出异议。" * 8,
    "id": "Permintaan dari wilayah yang tidak didukung oleh penyedia akan ditolak mulai tanggal sembilan Juli. " * 8,
    "json": json.dumps([{"id": n * 37, "name": f"row {n}", "price": n * 1.25, "ok": n % 2 == 0} for n in range(40)]),
}


def test_kinds_of_signs() -> None:
    assert kinds("Hi du, 你好 42!\n\nÄrger_") == (3, 8, 2, 1, 2, 3, 1)
    assert kinds("") == (0, 0, 0, 0, 0, 0, 0)


def test_of_every_text_there_is_something() -> None:
    assert of("openai").estimate("") == 0
    assert of("openai").estimate(".") == of("nobody").estimate("x") == 1


def test_a_vendor_without_a_vocabulary_has_a_wider_band() -> None:
    known, unknown = of("qwen"), of("ernie")
    assert known.calibrated and not unknown.calibrated
    (low, high), (lower, higher) = known.band(1000), unknown.band(1000)
    assert lower < low < 1000 < high < higher


@pytest.mark.parametrize("provider", sorted(measured().vendors))
def test_a_band_is_one(provider: str) -> None:
    rates = measured().vendors[provider]
    assert 50 < rates.low < 100 < rates.high < 150


@pytest.mark.parametrize(("provider", "environment"), [("openai", "litellm"), ("qwen", "dashscope")])
def test_estimates_lie_within_their_band_of_the_vendors_own_count(provider: str, environment: str) -> None:
    """The vocabulary is read as the vendor's package brings it."""
    by = python(environment)
    site = by.parents[1] / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    arguments = (provider, str(site), json.dumps(list(TEXTS.values())))
    counts = found(HERE / "vocabulary_program.py", arguments, by=Path(sys.executable), needs=by)
    for language, text, count in zip(TEXTS, TEXTS.values(), counts, strict=True):
        low, high = of(provider).band(of(provider).estimate(text))
        # Nine of ten texts lie in the band; one sentence over and over is a text like few.
        assert low * 0.8 <= count <= high * 1.2, (language, count, low, high)


def test_without_its_package_a_vocabulary_is_not_there() -> None:
    assert vocabulary("glm") is None and vocabulary("ernie") is None
    assert estimators.of("glm").calibrated is False
