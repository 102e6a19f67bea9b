"""How each vendor speaks.  No provider opens a connection: `transport` is the one owner of upstream sockets.

    request ─► Provider.translate ─► body, losses          fields · messages · tools · thinking: what becomes of each
    answer  ─► Provider.answer / Provider.reader ─► OpenAI's  answers · normaliser; passthrough where it is OpenAI's
    refusal ─► Provider.fault ─► UpstreamFailed            said: any shape of error · faults: what it means

A vendor is a module of tables: `qwen`, `ernie`, `glm`.  `openai` hands bytes on.  `catalogue` is what is known of
hosts and models, dated and sourced.
"""

from collections.abc import Mapping

from gapura.providers.base import Provider
from gapura.providers.ernie import ERNIE
from gapura.providers.glm import GLM
from gapura.providers.openai import OPENAI
from gapura.providers.qwen import QWEN

PROVIDERS: Mapping[str, Provider] = {
    "openai": OPENAI,
    "qwen": QWEN,
    "ernie": ERNIE,
    "glm": GLM,
}
