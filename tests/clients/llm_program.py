"""What the library `llm` makes of a gateway: arguments are its base URL, a key and models; prints one JSON.

`llm` learns of other OpenAI-compatible servers and of keys from two files in its folder (LLM_USER_PATH); the second is
what `llm keys set gapura` writes.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

URL, KEY, *MODELS = sys.argv[1:]
ENTRY = "- model_id: {0}\n  model_name: {0}\n  api_base: {1}\n  api_key_name: gapura\n  supports_tools: true\n"

folder = tempfile.TemporaryDirectory()
os.environ["LLM_USER_PATH"] = folder.name
Path(folder.name, "extra-openai-models.yaml").write_text("".join(ENTRY.format(model, URL) for model in MODELS))
Path(folder.name, "keys.json").write_text(json.dumps({"gapura": KEY}))

import llm  # noqa: E402 - it reads the variable when it is imported

called = []


def weather(city: str) -> str:
    """Tells the weather of a city"""
    called.append({"city": city})
    return "24 degrees"


def trial(name):
    model = llm.get_model(name)
    plain = model.prompt("Selamat pagi", stream=False)
    streamed = model.prompt("Selamat pagi")
    pieces = list(streamed)
    replies = list(model.chain("Selamat pagi", tools=[weather]).responses())
    return {
        "plain": plain.text(),
        "tokens": [usage.input + usage.output for usage in (plain.usage(), streamed.usage())],
        "pieces": pieces,
        "called_with": called[-1],
        "after_the_call": replies[-1].text(),
    }


def refusal():
    try:
        llm.get_model(MODELS[0]).prompt("Selamat pagi", key="sk-wrong", stream=False).text()
    except Exception as error:  # noqa: BLE001 - whichever it raises is the finding
        return [type(error).__name__]


with folder:
    sys.stdout.write(json.dumps({"models": {model: trial(model) for model in MODELS}, "refused": refusal()}))
