"""What LiteLLM makes of a gateway: arguments are its base URL, a key and models; prints one JSON.

The prefix `openai/` tells LiteLLM which dialect to speak; it does not reach the gateway.
"""

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it downloads a list of prices when it is imported

import litellm

litellm.suppress_debug_info = True  # it prints advice on standard output when a call fails

URL, KEY, *MODELS = sys.argv[1:]
QUESTION = {"role": "user", "content": "Selamat pagi"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(model, *messages, key=KEY, **more):
    return litellm.completion(
        model=f"openai/{model}", messages=list(messages), api_base=URL, api_key=key, num_retries=0, **more
    )


def trial(model):
    plain = ask(model, QUESTION)
    chunks = list(ask(model, QUESTION, stream=True, stream_options={"include_usage": True}))
    asked = ask(model, QUESTION, tools=[WEATHER]).choices[0].message
    call = asked.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "24 degrees"}
    return {
        "plain": plain.choices[0].message.content,
        "tokens": [plain.usage.total_tokens, chunks[-1].usage.total_tokens],
        "pieces": [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices],
        "called_with": json.loads(call.function.arguments),
        "after_the_call": ask(model, QUESTION, asked, result, tools=[WEATHER]).choices[0].message.content,
    }


def refusal():
    try:
        ask(MODELS[0], QUESTION, key="sk-wrong")
    except Exception as error:  # noqa: BLE001 - whichever it raises is the finding
        return [type(error).__name__, error.status_code]


sys.stdout.write(json.dumps({"models": {model: trial(model) for model in MODELS}, "refused": refusal()}))
