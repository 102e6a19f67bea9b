"""The reference of the endpoints, written from the tables that translate: `python -m gapura.wire.reference`."""

import sys
from collections.abc import Iterator, Mapping

from gapura.wire import completions, embeddings, moderation, rerank
from gapura.wire.fates import UNKNOWN, Line
from gapura.wire.messages import request as messages
from gapura.wire.responses import request as responses

HEAD = """\
# Endpoints

Written from the tables in `gapura.wire` by `python -m gapura.wire.reference`; do not edit.

| endpoint | what it is | goes to |
|---|---|---|
| `POST /v1/chat/completions` | OpenAI's chat | the vendor's chat: see [providers](providers.md) |
| `POST /v1/responses` | OpenAI's Responses | OpenAI's own, as it came; elsewhere the vendor's chat |
| `/v1/responses/ID`, its `input_items`, `cancel` | what is kept of an answer: see below | nobody |
| `POST /v1/messages` | Anthropic's Messages | Anthropic's own, as it came; elsewhere the vendor's chat |
| `POST /v1/messages/count_tokens` | how long that would be | nobody: an estimate, which `gapura-estimated` says |
| `POST /v1/completions` | completions of the time before chat | the vendor's chat |
| `POST /v1/embeddings` | vectors | vendors that have them |
| `POST /v1/moderations` | OpenAI's moderation | vendors that have it |
| `POST /v1/rerank` | documents by their relevance | vendors that have it; OpenAI has not |
| `GET /v1/models`, `GET /v1/models/NAME` | what this key may ask for | nobody |

`GET /v1/usage` and OpenAI's questions for it are on a page of their own: [usage](usage.md).

With the header `anthropic-version` models are listed as Anthropic does.

The same holds for all that ask a model: place, policy, limits, budgets, routes, warnings and the record are those of
chat; the key goes in `Authorization: Bearer` or `x-api-key`; `gapura-decision`, `gapura-provider`, `gapura-losses`
and `gapura-request-id` are in each answer; and each request is settled once, whichever way it ends.

## Errors

They are said in the dialect of the path: `{"error": {"message", "type", "param", "code"}}`, or under `/v1/messages`
`{"type": "error", "error": {"type", "message"}}`, each before the first byte with its status, `retry-after` and
`x-should-retry`. After the first byte an error is the stream's last event: `error` and `response.failed` (Responses),
`error` (Messages), a chunk with `error` (the others). A stream that was cut never ends as a whole one does.

## Usage

An answer that comes by way of chat always has it: what the vendor said, else our estimate, with `"estimated": true`
beside the numbers. In a stream it comes once, in `response.completed`, in `message_delta` (`message_start` has an
estimate of the input), and in a chunk of its own where `stream_options.include_usage` asked for it. Tokens read from
a cache are part of the input, but in Messages, where they are counted beside it.

## What becomes of each field

On the way to chat; what chat loses on its way to a vendor comes on top, by the names that the fields have here.

- *honoured*: the same field, with the same meaning
- *translated*: said in another way, with the same meaning
- *degraded*: said in another way, with less of a meaning: a loss
- *ignored*: left out, and the answer is of the same form: a loss, unless the value means nothing
- *refused*: left out, and without it the answer is not what was asked for: the target is passed over, and the request
  refused where none is left, unless the route accepts the field

What is not in a table is *ignored*, as a behavioural loss, also inside of a field: `tools.defer_loading`.
"""

TAILS = {
    "Responses": """\
*Items* of the input: messages, with texts, images by URL or data, and files in the request itself; `function_call`
and `function_call_output`, whose images are shown in a message after it (`input.function_call_output.image`,
behavioural); `reasoning` is left out (`input.reasoning`, cosmetic), and so is what former answers cited; what hosted
tools did in former turns is left out (`input.web_search_call` and so on, behavioural). All others, and references to
what is kept elsewhere, are refused. A `tool_choice` that calls for a tool that is not there is refused, too.

*Tools* are functions. Hosted ones (`web_search`, `file_search`, `code_interpreter`, `computer_use_preview`, `mcp` …)
and custom ones are refused by name: `tools.web_search`. OpenAI runs its own where it serves the request.

*What is kept*: nothing, unless the account says `keeps_responses` (`gapura account add NAME --keeps-responses`).
Then an answer is kept with its conversation unless the request says `"store": false`: sealed, for 30 days, for this
account only. `previous_response_id` goes on from it, also when what came before has been deleted; `GET` and `DELETE
/v1/responses/ID` read and delete it; `GET /v1/responses/ID/input_items` lists what the model was given, the turns
before among it, by `limit`, `order` and `after`. Nothing runs in the background, so `POST /v1/responses/ID/cancel` and
`GET` with `stream=true` are answered with 400, as OpenAI answers them for such a response. What was never kept, is
deleted, or is another account's is 404. Without the keeper nothing is kept, and the answer says `"store": false`.

For other accounts `previous_response_id` is answered with 400: the whole conversation stands in `input`.
`conversation` and `background` are answered with 400 for all. OpenAI is told to keep nothing, since its store is
shared by all who use the same key there, and asked for `reasoning.encrypted_content`, so that the next turn can build
on the answer.

*Reasoning* of a vendor is an item of `reasoning_text`, or a summary where `reasoning.summary` asked for one.
""",
    "Messages": """\
*Blocks*: `text`, `image` by URL or data, `tool_use`, `tool_result` (its images are shown after it:
`messages.tool_result.image`, behavioural), `document` of plain text, with its title and context, of which nothing is
cited (`messages.document.citations`, behavioural). Thoughts of former turns are left out (`messages.thinking`,
cosmetic). All others are refused by name: `messages.document`, `messages.search_result`.

*Tools* of Anthropic's own (`web_search_20250305`, `computer_20250124` …) are refused by name:
`tools.web_search_20250305`.

*Thinking* comes to those who asked for it, without a signature: only Anthropic can sign it.

The header `anthropic-beta` goes to Anthropic; elsewhere it is a loss (`anthropic-beta`, behavioural).

*Stop reasons*: `end_turn`, `max_tokens`, `tool_use`, `refusal`. Vendors do not say which stop sequence it was.
""",
    "Completions": """\
One prompt at a time, as text: several, and token ids, are refused (`prompt`, contract).
""",
    "Embeddings": """\
Texts go out in as many requests as the vendor needs; the answers are put in order, and their usage is summed. If one
fails there is no answer. Vectors come as numbers or in base64, as was asked, whichever the vendor has. Token ids are
for OpenAI's models only (`input`, contract).

Vectors of two models cannot be compared. So a target with another model than the one that was asked for by a known
name, or than the route's first, loses `embedding_space` (contract): it is passed over unless the route says `accepts
= ["embedding_space"]`.
""",
    "Moderation": """\
Where no `model` is named it is `omni-moderation-latest`, which needs a route.
""",
    "Rerank": """\
`documents` are texts, or objects with a `text`. `results` are in the order of `relevance_score`, each with the
`index` of its document.
""",
}

TABLES: Mapping[str, Mapping[str, Line]] = {
    "Responses": responses.FIELDS,
    "Messages": messages.FIELDS,
    "Completions": completions.FIELDS,
    "Embeddings": embeddings.FIELDS,
    "Moderation": moderation.FIELDS,
    "Rerank": rerank.FIELDS,
}


def rows(fields: Mapping[str, Line]) -> Iterator[str]:
    yield "| field | fate | how | loss |"
    yield "|---|---|---|---|"
    for name, line in sorted(fields.items()):
        nothing = ", ".join(f"`{value!r}`" for value in line.nothing)
        loss = (line.weight or "") + (f", but for {nothing}" if nothing else "")
        yield f"| `{name}` | {line.fate} | {line.does} | {loss} |"


def render() -> str:
    parts = [HEAD]
    for name, fields in TABLES.items():
        parts += [f"### {name}\n", *rows(fields), "", TAILS[name]]
    parts.append(f"Unknown fields: {UNKNOWN.fate}, {UNKNOWN.weight}.")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
