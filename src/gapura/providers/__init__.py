"""How each vendor speaks.  No provider opens a connection: `transport` is the one owner of upstream sockets.

    request ─► Provider.translate ─► body, losses          fields · messages · tools · thinking: what becomes of each
    answer  ─► Provider.answer / Provider.reader ─► OpenAI's  answers · normaliser; passthrough where it is OpenAI's
    refusal ─► Provider.fault ─► UpstreamFailed            said: any shape of error · faults: what it means

A vendor is a module of tables: `qwen`, `ernie`, `glm`, `anthropic`, `dashscope` …  `openai` and `azure` hand bytes on;
`compatible` is any server that speaks OpenAI's API, with its quirks as data; `kinds` finds the provider of a name, in
other distributions too.  `catalogue` is what is known of hosts and models, dated and sourced.
"""

from collections.abc import Mapping

from gapura.providers.anthropic import ANTHROPIC
from gapura.providers.azure import AZURE
from gapura.providers.base import Provider
from gapura.providers.dashscope import DASHSCOPE
from gapura.providers.ernie import ERNIE
from gapura.providers.glm import GLM
from gapura.providers.openai import OPENAI
from gapura.providers.qwen import QWEN
from gapura.providers.zai import ZAI

PROVIDERS: Mapping[str, Provider] = {
    "openai": OPENAI,
    "qwen": QWEN,
    "ernie": ERNIE,
    "glm": GLM,
    "azure": AZURE,
    "anthropic": ANTHROPIC,
    "dashscope": DASHSCOPE,
    "zai": ZAI,
}
