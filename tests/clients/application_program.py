"""An application that was written for OpenAI: it answers questions about a handbook, with tools where it needs them.

Arguments are a base URL and a key, which is all that its move to another vendor changes; prints one JSON.
"""

import json
import math
import sys

from openai import OpenAI

URL, KEY = sys.argv[1:]
MODEL, EMBEDDINGS = "gpt-4o-mini", "text-embedding-3-small"
HANDBOOK = [
    "Requests for leave go to the head of the department.",
    "The gate of the building is closed from ten in the evening.",
    "Travel is booked two weeks before.",
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Looks something up in the handbook",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
client = OpenAI(base_url=URL, api_key=KEY, max_retries=0)


def index(texts):
    answer = client.embeddings.create(model=EMBEDDINGS, input=texts)
    return [one.embedding for one in answer.data]


def search(vectors, question):
    (asked,) = index([question])
    return max(range(len(vectors)), key=lambda n: cosine(vectors[n], asked))


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def agent(question):
    """Until the model answers without a tool."""
    messages, called = [{"role": "user", "content": question}], []
    while len(called) < 5:
        said = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
        messages.append(said.model_dump(exclude_none=True))
        if not said.tool_calls:
            return {"called": called, "answer": said.content}
        for call in said.tool_calls:
            called.append(json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": HANDBOOK[1]})
    return {"called": called, "answer": None}


def chat(question):
    messages = [{"role": "system", "content": "You know the handbook."}, {"role": "user", "content": question}]
    pieces, total = [], 0
    stream = client.chat.completions.create(
        model=MODEL, messages=messages, stream=True, stream_options={"include_usage": True}, temperature=0.2
    )
    for chunk in stream:
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        total = chunk.usage.total_tokens if chunk.usage else total
    return {"answer": "".join(pieces), "pieces": len(pieces), "tokens": total}


vectors = index(HANDBOOK)
found = {
    "size": len(vectors[0]),
    "finds": [search(vectors, text) for text in HANDBOOK],
    "agent": agent("When is the gate closed?"),
    "chat": chat("When is the gate closed?"),
}
sys.stdout.write(json.dumps(found))
