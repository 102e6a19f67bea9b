"""The command line: one module a noun, imported when it is called.

    gapura NOUN VERB → client → /api/v1 → output

`client` reaches the keeper over its Unix socket, another one by --url, or, where no keeper runs, the same API in this
process.  Every command takes --json; exit codes are those of `ending`.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gapura.cli import ending
from gapura.cli.ending import Failed

COMMANDS: dict[str, tuple[str, str]] = {
    "account": ("gapura.cli.account:account", "Customers: list, state, import, warn, suspend, reinstate, limit."),
    "appeal": (
        "gapura.cli.appeal:appeal",
        "Objections of accounts: list, show, file, take, decide, link, revoke-link.",
    ),
    "atlas": ("gapura.cli.atlas:atlas", "Place data: show, look up, update, verify, correct."),
    "audit": ("gapura.cli.audit:audit", "Who changed what, whether anybody altered that, and proof of it."),
    "backup": ("gapura.cli.backup:backup", "Write the whole store into one file."),
    "budget": ("gapura.cli.budget:budget", "Budgets by organisation, account, key, model and window."),
    "campaign": ("gapura.cli.campaign:campaign", "Campaigns: tell people before they are blocked, and prove it."),
    "compat": ("gapura.cli.compat:compat", "What recorded requests would lose at another model."),
    "doctor": ("gapura.cli.doctor:doctor", "Look for what would keep this gateway from working."),
    "exception": (
        "gapura.cli.exception:exception",
        "What lifts a policy for an account: list, add, end, review.",
    ),
    "key": ("gapura.cli.key:key", "API keys: list, create, revoke."),
    "ledger": ("gapura.cli.ledger:ledger", "Who has how much: show, export, verify, close, archive."),
    "mail": ("gapura.cli.mail:mail", "Mail that came back: list, take in; addresses: list, lift."),
    "model": ("gapura.cli.model:model", "Models: list, show, find counterparts."),
    "policy": ("gapura.cli.policy:policy", "Policies: propose, test, compare, activate, explain a decision."),
    "price": ("gapura.cli.price:price", "What models cost: list, show."),
    "principal": ("gapura.cli.principal:principal", "Who may use the admin API: list, create, revoke."),
    "programme": (
        "gapura.cli.programme:programme",
        "A vendor's programmes: offer, claims, vetting, grants, codes, report.",
    ),
    "record": ("gapura.cli.record:record", "What was requested: export."),
    "restore": ("gapura.cli.backup:restore", "Put a backup in the place of the store."),
    "route": ("gapura.cli.route:route", "Routes: show, try one from an address."),
    "sandbox": ("gapura.cli.sandbox:sandbox", "Run the vendors' simulators alone."),
    "serve": ("gapura.cli.serve:serve", "Run the gateway."),
    "usage": ("gapura.cli.usage:usage", "Tokens by account, key, model, provider, day and place."),
    "webhook": ("gapura.cli.webhook:webhook", "Endpoints that are told of events: list, add, rotate, test, replay."),
}


class Lazy(click.Group):
    """Knows its commands by name and one line; imports one when it is called.  Ends as `ending` says."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101 - of ours, or the table above is wrong
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Never returns: ends the process with one of the exit codes."""
        given = list(sys.argv[1:] if args is None else args)
        extra |= {"standalone_mode": False}
        try:
            code = super().main(given, **extra)
        except KeyboardInterrupt:
            code = ending.INTERRUPTED
        except click.Abort:
            code = ending.INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has enough of it; there is nobody left to tell.
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - the interpreter flushes it at exit
            code = ending.FAILED
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = ending.USAGE
        except click.ClickException as error:
            code = ending.tell(error, as_json="--json" in given)
        except Exception as error:
            known = ending.known(error)
            if known is None:
                raise
            code = ending.tell(known, as_json="--json" in given)
        sys.exit(code if isinstance(code, int) else ending.OK)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gapura", message="%(package)s %(version)s")
def gapura() -> None:
    """A gateway for AI APIs that knows where each provider may be used.

    Exit codes: 0 done, 1 failed, 2 usage, 3 checked and the answer is no, 4 authentication, 5 not reachable,
    130 interrupted.
    """


def main() -> None:
    gapura.main(prog_name="gapura")


__all__ = ["COMMANDS", "Failed", "gapura", "main"]
