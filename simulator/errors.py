"""The errors a user can mend, and the one that says a run failed."""

from collections.abc import Iterable
from dataclasses import dataclass


class UserError(Exception):
    """Something in the user's files or command that the user can mend."""

    exit_code = 2


class RunError(Exception):
    """The run itself failed, or a stated target was not reached."""

    exit_code = 1


class FieldError(ValueError):
    """A validator's complaint about a part of its value: `path` leads from the value to the part.

    Raise it in a pydantic validator to point deeper than the field that is validated, with
    `at_name` at the name of the part.
    """

    def __init__(self, message: str, *path: str | int, at_name: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.at_name = at_name


@dataclass(frozen=True)
class Problem:
    """One fault at one place: line and column count from 1, the path is dotted or empty."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        return f"{place}{self.path} {self.message}" if self.path else f"{place}{self.message}"


class ScenarioError(UserError):
    """Everything that is wrong with a scenario, found in one pass."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(
            problems, key=lambda problem: (problem.file, problem.line, problem.column)
        )
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
