"""Generates the reference page of the command line from the Typer application."""

from collections.abc import Iterator
from typing import Any

import typer

from payment_worker.cli.app import app

PAGE = """# Command line

Generated from the program by `tools/generate.py`; `payment-worker COMMAND --help` prints the same. Settings come from
the [environment](settings.md); each command requires only those that it uses. `payment-worker` is a console script of
the package; `python -m payment_worker` is equivalent.

Exit status: 0 done, 1 found problems, 2 wrong usage. With `--json` the result is one JSON document on standard output.
`payment-worker --install-completion` installs completion for the current shell (bash, zsh, fish, PowerShell).

A command that enqueues returns when Redis has the task message; `payment-worker show ID` shows the result.

{commands}
"""

PROGRAM = "payment-worker"


def page() -> str:
    """The text of the page."""
    return PAGE.format(commands="\n\n".join(_commands(PROGRAM, typer.main.get_command(app))))


def _commands(path: str, group: Any) -> Iterator[str]:  # noqa: ANN401 - typer does not export its commands' types
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{path} {name}", command)
        else:
            yield _command(f"{path} {name}", command)


def _command(path: str, command: Any) -> str:  # noqa: ANN401
    what, *more = command.help.split("\n\n")
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join((path, *map(_usage, arguments)))
    rows = [_row(each) for each in command.params if not each.hidden and each.name != "help"]
    table = ["", "| | | |", "|---|---|---|", *rows] if rows else []
    text = "\n\n".join(" ".join(part.split()) for part in (what, *more))
    title = path.removeprefix(f"{PROGRAM} ")
    return "\n".join((f"## {title}", "", f"`{usage}`", "", text, *table))


def _usage(argument: Any) -> str:  # noqa: ANN401
    name = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _row(parameter: Any) -> str:  # noqa: ANN401
    return f"| `{_name(parameter)}` | {_kind(parameter)} | {parameter.help or ''} |"


def _name(parameter: Any) -> str:  # noqa: ANN401
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return " ".join(filter(None, (parameter.opts[0], parameter.metavar)))


def _kind(parameter: Any) -> str:  # noqa: ANN401
    if parameter.required:
        return "required"
    if parameter.param_type_name == "option" and parameter.is_flag:
        return "flag"
    return "optional" if parameter.default in (None, []) else f"default `{parameter.default}`"
