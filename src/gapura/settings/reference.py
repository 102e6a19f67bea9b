"""docs/reference/settings.md, made from the declaration."""

from typing import Literal, get_args, get_origin

from gapura import crash
from gapura.settings.declared import DECLARED, HINTS, PREFIX, PROVIDER_VARIABLES


def describe() -> str:
    """docs/reference/settings.md, made from the declaration."""
    rows = [f"| `{PREFIX}{name.upper()}` | {_told_default(name)} | {_told(name)} |" for name in DECLARED]
    keys = [f"| `{stem}_API_KEY` | `{stem}_BASE_URL` | `{name}` |" for name, stem in PROVIDER_VARIABLES.items()]
    return "\n".join([*_HEAD, *rows, *_BETWEEN, *keys, *_TAIL, ""])


_HEAD = """\
# Settings

Made from `src/gapura/settings`; a test compares. The environment wins over `gapura.toml`, where the same names
stand in lower case and without prefix (`port = 9000`) above the first table. Relative paths start at the folder
that Gapura is started in. An empty variable is one that is not set. A name that is not here stops the start.

Secrets have at least 32 characters (the URL of a mail relay: any number) and can be read from a file:
`GAPURA_SECRET_FILE`, `GAPURA_BOOTSTRAP_KEY_FILE`, `GAPURA_ADMIN_TOKEN_FILE`, `GAPURA_AUTHORIZER_SECRET_FILE`,
`GAPURA_SMTP_URL_FILE`, and likewise for each provider's key.

| variable | default | meaning |
|---|---|---|""".splitlines()

_BETWEEN = """
## Providers

A provider is there when its key is.

| key (or `…_FILE`) | base URL | provider |
|---|---|---|""".splitlines()

_TAIL = f"""
## For tests

`{crash.VARIABLE}` kills a process, as by `kill -9`, where it comes by a named point:
{", ".join(f"`{name}`" for name in crash.POINTS)}.
With `:n` behind the name, the nth time. Never set it where somebody counts on the answer; `docs/explanation/crashes.md`
tells what it is for.""".splitlines()


def _told_default(name: str) -> str:
    default = DECLARED[name].default
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default not in ("", ()) else "–"


def _told(name: str) -> str:
    kind, *metas = get_args(HINTS[name])
    choices = f" One of {', '.join(f'`{choice}`' for choice in get_args(kind))}." if get_origin(kind) is Literal else ""
    least = next((meta.ge for meta in metas if meta.ge is not None), None)
    most = next((meta.le for meta in metas if meta.le is not None), None)
    limits = f" {least} to {most}." if least is not None else f" At most {most}." if most is not None else ""
    return f"{metas[-1].description}{choices}{limits}"
