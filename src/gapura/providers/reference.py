"""The reference of what becomes of a request, written from the tables: `python -m gapura.providers.reference`."""

import sys
from collections.abc import Iterator

from gapura.providers import PROVIDERS
from gapura.providers.catalogue import catalogue
from gapura.providers.compatible import Treatment, servers
from gapura.providers.faults import OUTCOMES
from gapura.providers.fields import UNKNOWN, Field
from gapura.providers.vendor import Vendor

HEAD = """\
# Providers

Written from the tables in `gapura.providers` by `python -m gapura.providers.reference`; do not edit.

## What becomes of each field

OpenAI's own requests pass through: only `model`, the output limit and `stream_options` are replaced, and not a byte
where none of them needs to be.  For the others each field ends in the body or is a **loss**, told in `gapura-losses`:

- *cosmetic*: no application can tell from the answer
- *behavioural*: another answer, of the same form; refused in strict mode
- *contract*: an answer that the application cannot use, or did not ask for: the target is passed over, unless the
  route accepts the field

Each field has one of five fates: *honoured* (the same field, the same meaning), *translated* (said in another way),
*degraded* (in part, where the provider cannot do all of it), *ignored* (left out, and the answer has the same form) and
*refused* (left out, and the answer would not be what was asked for).  What is *unknown* to a provider is ignored, as a
behavioural loss.  In brackets stands the weight of the loss where the provider cannot do what was asked.  `null` is the
same as absent.
"""

MESSAGES = """
## Messages

| what | becomes | loss |
|---|---|---|
| role `developer` | `system` | `messages.role`, cosmetic |
| role `function`, `function_call` of an assistant | role `tool`, `tool_calls` | `functions`, contract |
| `refusal` of an assistant without content | content | `messages.refusal`, cosmetic |
| `annotations`, an empty `refusal` | left out | |
| `audio` of an assistant | left out | `messages.audio`, contract |
| parts `image_url`, `video_url` for a model that does not see | left out | `messages.image_url`, contract |
| parts `input_audio`, `file`, unknown ones | left out | `messages.input_audio` and so on, contract |
| a PDF in the request, to anthropic | a document | |
| audio, to dashscope | a part of its own form | |
| images in base64, to glm and zai | without the `data:` prefix | |
| to ernie: neighbours of one role, several system messages | one message | `messages`, cosmetic |
| to ernie and anthropic: a system message after others | at the beginning | `messages.role`, behavioural |
| to ernie and anthropic: an assistant's message first | a line of the user's before it | `messages`, behavioural |
| to ernie: an assistant's message last | a line of the user's behind it | `messages`, behavioural |
| names of speakers, to anthropic | left out | `messages.name`, cosmetic |
| `thinking_blocks` of an assistant, to anthropic | the signed thinking, continued | |
| to anthropic: tools called without thinking, for a model with a budget of it | no thinking | behavioural |
| no message has the word JSON, to qwen, in JSON mode | a system message asks for it | `messages`, cosmetic |

## Tools

| what | becomes | loss |
|---|---|---|
| `strict` of a function, but to anthropic | left out | `tools.strict`, behavioural |
| a function without a description, to qwen | its name describes it | `tools.description`, cosmetic |
| a function named `search`, to qwen | refused by the vendor | `tools.name`, contract |
| types but `function` (to glm also `web_search`, `retrieval`, `mcp`) | left out | `tools.custom` and so on, contract |
| more than 128 tools, to glm | the first 128 | `tools`, contract |
| `tool_choice` none, to glm | the tools are left out | `tools`, cosmetic |
| a forced tool, to anthropic, while it shall think | no thinking | the field that asked, behavioural |

## Structured answers

Where a provider takes no schema (glm, zai, some servers) or no JSON mode (anthropic), a plain answer is asked for in
words and checked here: as much of JSON Schema as OpenAI takes, but for `pattern`.  A fence around it is taken off.
One that is wrong is asked for once more, without the conversation; then the answer has
`gapura-mended: response_format`, and both requests are charged.  One that is wrong again is a 502 `schema_not_met`,
and the next target is tried.  An account whose hold does not pay for a second request gets that error at once.  That
is a behavioural loss; in a stream, where nobody can check the second half before the first is out, and for a schema
with more in it, the loss is contract.

## Answers

An answer has OpenAI's fields, besides them `reasoning_content`, of anthropic `thinking_blocks`, and `web_search`,
`search_info` or `search_results` where the caller asked for a search.  Other fields of the vendors' own are left out,
but for `content_filter_results` of azure, whose bytes pass.  `usage` of a stream comes in a
chunk of its own, to those who asked with `stream_options.include_usage`.  Where the vendor says none it is estimated,
and has `"estimated": true`.  The vendor's rate limits are told as `x-ratelimit-*`, whatever it calls them.
"""


SERVERS = """
## Servers that speak OpenAI's API

Each `kind` below is set up by `[providers.NAME]` ([gapura.toml](gapura-toml.md#providers)), where `quirks` say what
yours does otherwise.  What is not told of a field is sent as it came; what only OpenAI has (`store`, `metadata` …) is
left out.
"""


def cell(field: Field) -> str:
    """`honoured`, or the fate, how, and the weight of what is lost."""
    if field == UNKNOWN:
        return "unknown"
    how = "" if field.does in {"kept", "left out"} else field.does.removeprefix("left out: ")
    return field.fate + (f": {how}" if how else "") + (f" ({field.weight})" if field.weight else "")


def fields() -> Iterator[str]:
    vendors = [vendor for vendor in PROVIDERS.values() if isinstance(vendor, Vendor)]
    yield "| field | " + " | ".join(vendor.name for vendor in vendors) + " |"
    yield "|---" * (len(vendors) + 1) + "|"
    for name in sorted({name for vendor in vendors for name in vendor.fields}):
        yield f"| `{name}` | " + " | ".join(cell(vendor.fields.get(name, UNKNOWN)) for vendor in vendors) + " |"


def outcomes() -> Iterator[str]:
    yield "| what happened | status | type | code | another target may be tried | speaks against the target |"
    yield "|---|---|---|---|---|---|"
    for name, one in OUTCOMES.items():
        code = one.code or "the vendor's, from OpenAI"
        another = "of a larger model" if name == "context" else _yes(one.advance)
        yield f"| {name} | {one.status} | {one.kind} | {code} | {another} | {_yes(one.trips)} |"


def models() -> Iterator[str]:
    yield "| provider | model | context | output | thinks | sees | shut down |"
    yield "|---|---|---|---|---|---|---|"
    for provider, vendor in catalogue().vendors.items():
        for name, one in vendor.models.items():
            sees = "" if one.vision is None else _yes(one.vision)
            numbers = f"{one.context or ''} | {one.max_output or ''}"
            yield f"| {provider} | `{name}` | {numbers} | {one.thinks} | {sees} | {one.shut_down} |"


def quirks() -> Iterator[str]:
    yield "| kind | base URL | limits the answer | `response_format` | `tool_choice` | thinking | fields |"
    yield "|---|---|---|---|---|---|---|"
    for kind, one in servers().items():
        lever = ", ".join(f"`{name}`" for name in (one.switch, "reasoning_effort" if one.efforts else "") if name)
        told = ", ".join(f"`{name}` {_treated(how)}" for name, how in sorted(one.fields.items()))
        cells = (f"`{kind}`", one.base_url and f"`{one.base_url}`", f"`{one.limit}`", ", ".join(one.formats))
        yield "| " + " | ".join((*cells, ", ".join(one.choices), lever, told)) + " |"


def _treated(how: str | Treatment) -> str:
    return f"left out ({how})" if isinstance(how, str) else how.field().does


def render() -> str:
    known = catalogue()
    parts = [HEAD, *fields(), MESSAGES, "## Errors\n", *outcomes()]
    parts += [SERVERS, *quirks()]
    parts += [f"\n## Models\n\nAs of {known.as_of}. What is empty is unknown. {known.source}\n", *models()]
    hosts = [f"| `{host}` | {territory} |" for host, territory in known.territories.items()]
    parts += ["\n## Where requests are processed\n", "| host | territory |", "|---|---|", *hosts]
    return "\n".join(parts) + "\n"


def _yes(fact: bool) -> str:  # noqa: FBT001 - it is the fact
    return "yes" if fact else "no"


if __name__ == "__main__":
    sys.stdout.write(render())
