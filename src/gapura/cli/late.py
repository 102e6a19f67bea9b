"""Commands of a noun that are imported when they are called, because they bring much with them."""

import importlib

import click

COMMANDS = {"backtest": "gapura.cli.backtest"}


class Late(click.Group):
    """Has these besides its own; each is called as its module's last name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - of ours, or the table above is wrong
        return command
