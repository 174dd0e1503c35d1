"""The argument parser of every command: hyphens and underscores are equal, and errors are exceptions."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn


class CommandError(ValueError):
    """A fault the user can mend; the message is one line that says what, where, and what to do."""


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` that raises ``CommandError`` and never guesses an abbreviated option."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)
        self.config: Callable[[Path], dict[str, Any]] | None = None  # reads the file of --config, if there is one

    def read(self, given: Sequence[str]) -> argparse.Namespace:
        """The arguments as given; what a ``--config`` file says takes the place of the defaults."""
        arguments = self.parse_args(given)
        if self.config is None or arguments.config is None:
            return arguments
        self.set_defaults(**self.config(arguments.config))
        return self.parse_args(given)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def spelled(arguments: Sequence[str]) -> list[str]:
    """The arguments with the hyphen spelling of every option; values stay as they are."""
    result: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[position:]]
        name, equals, value = argument.partition("=")
        result.append(name.replace("_", "-") + equals + value if name.startswith("--") else argument)
    return result


def choice(*names: str) -> Callable[[str], str]:
    """An argument type that takes one of ``names`` in either spelling."""

    def one_of(text: str) -> str:
        if text.replace("_", "-").lower() in names:
            return text.replace("_", "-").lower()
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(names)}")

    return one_of


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """An argument type: a whole number from ``low`` to ``high``."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return value

    return number


def seconds(text: str) -> float:
    """An argument type: a positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value
