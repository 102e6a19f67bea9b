"""docs/reference/cli.md, made from the commands: `python -m gapura.cli.manual > docs/reference/cli.md`."""

import inspect
from collections.abc import Iterator

import click

from gapura.cli import COMMANDS, gapura
from gapura.cli.usage import usage

HEAD = """\
# Commands

Made from `src/gapura/cli`; a test compares.

`gapura` talks to the keeper of `GAPURA_HOME` over its Unix socket. Where no keeper runs, it opens the store itself,
under the same lock. With `--url` it talks to any keeper; the token then comes from `GAPURA_ADMIN_TOKEN` or
`--token-file`, never from the command line.

With `--json` a command answers with one document, `{"schema": "gapura.<command>/1", "data": …, "warnings": […]}`, and
says an error as `{"error": {"code", "message", "field", "hint"}}` on standard error. Without, it speaks to people; that
form may change. `NO_COLOR` is heeded.

What shuts somebody out, revokes, overwrites or changes many at once is a rehearsal until `--confirm` names the thing.

A secret that is shown once goes to a terminal, or into the JSON that was asked for; otherwise into a file (0600) in the
current folder, whose path is printed.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | usage, or a setting that cannot be meant |
| 3 | checked, and the answer is no |
| 4 | authentication: no token, or one that may not |
| 5 | the keeper or a provider cannot be reached |
| 130 | interrupted |

Options of all commands, where they make sense:
"""

COMMON = ("home", "url", "token_file", "as_json")
TABLE = ("| option | meaning |", "|---|---|")


def describe() -> str:
    """The whole page."""
    common = [one for one in usage.params if isinstance(one, click.Option) and one.name in COMMON]
    told = (line for name in COMMANDS for line in _told((name,)))
    return "\n".join([HEAD, *TABLE, *map(_option, common), "", *told])


def _told(path: tuple[str, ...]) -> Iterator[str]:
    command: click.Command | None = gapura
    for name in path:
        assert isinstance(command, click.Group)  # noqa: S101 - the path leads there
        command = command.get_command(click.Context(command), name)
    assert command is not None  # noqa: S101 - likewise
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    yield f"{'#' * (len(path) + 1)} {' '.join(['gapura', *path, *arguments])}"
    yield ""
    yield inspect.cleandoc(command.help or "").replace("\b\n", "")
    yield ""
    options = [one for one in command.params if isinstance(one, click.Option) and one.name not in COMMON]
    if options:
        yield from (*TABLE, *map(_option, options))
        yield ""
    if isinstance(command, click.Group):
        late = [verb for verb in command.list_commands(click.Context(command)) if verb not in command.commands]
        for verb in (*command.commands, *late):
            yield from _told((*path, verb))


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else " " + option.make_metavar(click.Context(gapura)).replace("|", "\\|")
    needed = " (needed)" if option.required else ""
    return f"| `{', '.join(option.opts)}{value}`{needed} | {' '.join((option.help or '').split())} |"


if __name__ == "__main__":
    click.echo(describe(), nl=False)
