"""OpenAI's POST /moderations without a model: a text is harmful where it holds a word of the list."""

from typing import Any

import msgspec

from gapura.sandbox.shape import Call, Wrong, mistyped

# OpenAI's categories (openai-openapi 2.3.0), each with a word that is enough here.
WORDS = {
    "harassment": "idiot",
    "harassment/threatening": "beat you",
    "hate": "vermin",
    "hate/threatening": "wipe them out",
    "illicit": "counterfeit",
    "illicit/violent": "pipe bomb",
    "self-harm": "hurt myself",
    "self-harm/instructions": "how to hurt yourself",
    "self-harm/intent": "want to die",
    "sexual": "pornography",
    "sexual/minors": "child pornography",
    "violence": "kill",
    "violence/graphic": "dismember",
}


class Asked(msgspec.Struct):
    input: str | list[str | dict[str, Any]]
    model: str = "omni-moderation-latest"


_decode = msgspec.json.Decoder(Asked).decode


def moderation(call: Call) -> dict[str, Any]:
    if call.method != "POST":
        raise Wrong("method")
    try:
        asked = _decode(call.body)
    except msgspec.ValidationError as error:
        raise mistyped(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong("malformed", f"The body is not valid JSON: {error}") from None
    if not asked.model.startswith(("omni-moderation", "text-moderation")):
        raise Wrong("404", f"The model '{asked.model}' does not exist.", "model")
    items = [asked.input] if isinstance(asked.input, str) else asked.input
    if all(isinstance(item, dict) for item in items):  # the parts of one message
        items = [" ".join(str(item.get("text", "")) for item in items if isinstance(item, dict))]
    return {"id": f"modr-{call.digest}", "model": asked.model, "results": [_judged(str(item)) for item in items]}


def _judged(text: str) -> dict[str, Any]:
    found = {name: word in text.lower() for name, word in WORDS.items()}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {name: 0.97 if said else 0.0003 for name, said in found.items()},
        "category_applied_input_types": {name: ["text"] for name in WORDS},
    }
