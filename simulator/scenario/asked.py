"""What is handed in from Python, checked before any work is begun: UserError says what an argument takes."""

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from types import UnionType
from typing import Any, cast

from simulator.errors import UserError
from simulator.scenario.amounts import read_amount, shown
from simulator.scenario.schema import Scenario


def asked(kind: type | UnionType, given: object, words: str) -> Any:
    """Something of a kind; `words` say what it is, and where it comes from."""
    if not isinstance(given, kind):
        raise UserError(f"{words} (got {shown(given)})")
    return given


def asked_scenario(given: object) -> Scenario:
    """A scenario that has been read."""
    return asked(Scenario, given, "a scenario is what sim.read_scenario returns")


# --------------------------------------------------------------------------- numbers
def asked_number(what: str, given: object, *, percent: bool = False) -> float:
    """A number, also as text."""
    try:
        return read_amount(given, percent)
    except ValueError as error:
        raise UserError(f"{what} {error}") from None


def asked_money(what: str, given: object) -> float:
    """The same, from 0 CNY up."""
    amount = asked_number(what, given)
    if amount < 0:
        raise UserError(f"{what} must be from 0 up (got {amount:g})")
    return amount


def asked_whole(what: str, given: object, least: int, most: int) -> int:
    """A whole number between two others, NumPy's included."""
    whole = isinstance(given, Integral) and not isinstance(given, bool)
    if not whole or not least <= int(cast(int, given)) <= most:
        raise UserError(
            f"{what} must be a whole number from {least} to {most} (got {shown(given)})"
        )
    return int(cast(int, given))


# --------------------------------------------------------------------------- words
def asked_choice(what: str, given: object, known: tuple[str, ...]) -> None:
    """One of a few words."""
    if given not in known:
        raise UserError(f"{what} must be one of {', '.join(known)} (got {shown(given)})")


def asked_list(what: str, given: object, example: str) -> list[Any]:
    """A list, tuple or other row of things; text is none, and a mapping has no order."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise UserError(f"{what} are a list, such as {example} (got {shown(given)})")
    return list(given)


def asked_table(what: str, given: object, example: str) -> Mapping[Any, Any]:
    """A mapping."""
    return asked(Mapping, given, f"{what} are a mapping, such as {example}")


def asked_progress(given: object) -> None:
    """A function that hears of progress, or none."""
    if given is not None and not callable(given):
        raise UserError(f"progress is a function that is told how far it is (got {shown(given)})")


# --------------------------------------------------------------------------- files
def asked_path(what: str, given: object) -> Path:
    """The place of a file or folder."""
    if not isinstance(given, str | os.PathLike) or "\0" in str(given):
        raise UserError(f"{what} is given by its path (got {shown(given)})")
    return Path(given)


def write_sheet(path: object, text: str) -> None:
    """A table for spreadsheet programs, as UTF-8 that they recognise."""
    place = asked_path("a table", path)
    try:
        place.write_text(text, encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UserError(f"cannot write to {place}: {error.strerror or error}") from error
