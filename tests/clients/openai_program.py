"""What OpenAI's SDK makes of a gateway: arguments are its base URL, a key and models; prints one JSON."""

import json
import sys

from openai import APIStatusError, OpenAI

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


def trial(client, model):
    def ask(*messages, **more):
        return client.chat.completions.create(model=model, messages=messages, **more)

    plain = ask(QUESTION)
    chunks = list(ask(QUESTION, stream=True, stream_options={"include_usage": True}))
    asked = ask(QUESTION, tools=[WEATHER]).choices[0].message
    call = asked.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "24 degrees"}
    return {
        "plain": plain.choices[0].message.content,
        "tokens": [plain.usage.total_tokens, chunks[-1].usage.total_tokens],
        "pieces": [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices],
        "called_with": json.loads(call.function.arguments),
        "after_the_call": ask(QUESTION, asked, result, tools=[WEATHER]).choices[0].message.content,
    }


def refusal():
    try:
        OpenAI(base_url=URL, api_key="sk-wrong", max_retries=0).models.list()
    except APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code]


with OpenAI(base_url=URL, api_key=KEY, max_retries=0) as client:
    found = {model: trial(client, model) for model in MODELS}
sys.stdout.write(json.dumps({"models": found, "refused": refusal()}))
