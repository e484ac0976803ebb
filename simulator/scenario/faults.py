"""Faults that pydantic finds, in plain words and at their place in the file."""

import re
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from simulator.errors import FieldError, Problem
from simulator.scenario.amounts import shown, suggestion
from simulator.scenario.nodes import Parts, Tree


def problems_of(model: type[BaseModel], tree: Tree, error: ValidationError) -> list[Problem]:
    """Every fault of the tree that the model complains about."""
    details = error.errors(include_url=False)
    faults = _without_echoes([_Fault.of(model, tree, detail) for detail in details])
    return [fault.problem(tree) for fault in faults]


def as_written(path: Parts, tree: Tree) -> Parts:
    """The path as the file has it: the short form of a plan is written without `scenes`."""
    head = path[:3]
    short = head[:1] == ("plans",) and head[2:] == ("scenes",) and not tree.nearest(head)[1]
    return (*head[:2], *path[3:]) if short and path[3:] else path


class _Spot:
    """Follows pydantic's location through the types, to leave out the names of union members."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.path: Parts = ()
        self.union: Parts | None = None  # the last union without a discriminator
        self.owners: list[Any] = []
        self.types: list[Any] = [model]
        self.undecided = False

    def follow(self, part: str | int) -> None:
        if self.undecided:
            self._choose(str(part))
        else:
            self._descend(part)

    def _choose(self, name: str) -> None:
        """A union's location names the member that pydantic tried."""
        tagged = [kind for kind in self.types if name in _tags(kind)]
        if not tagged:
            self.union = self.path
            tagged = [kind for kind in self.types if getattr(kind, "__name__", "") == name]
        self._open(tagged or self.types, bool(tagged))

    def _descend(self, part: str | int) -> None:
        self.path = (*self.path, part)
        self.owners = self.types
        self._open([kind for owner in self.owners for kind in _inside(owner, part)], True)

    def _open(self, kinds: list[Any], decide: bool) -> None:
        members = [_members(kind) for kind in kinds]
        self.types = [kind for group in members for kind in group]
        self.undecided = decide and any(len(group) > 1 for group in members)


def _members(kind: Any) -> list[Any]:
    """The members of a union, None left out, or the type itself."""
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) not in {Union, UnionType}:
        return [kind]
    some = [member for member in get_args(kind) if member is not NoneType]
    return _members(some[0]) if len(some) == 1 else some


def _fields(kind: Any) -> dict[str, FieldInfo]:
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _tags(kind: Any) -> set[str]:
    """Words that a model, or any of a union of models, allows for its literal fields."""
    members = _members(kind)
    if len(members) > 1:
        return set().union(*map(_tags, members))
    literals = [
        field.annotation
        for field in _fields(members[0]).values()
        if get_origin(field.annotation) is Literal
    ]
    return {str(word) for literal in literals for word in get_args(literal)}


def _inside(kind: Any, part: str | int) -> list[Any]:
    """The type under a name or a number: none, one, or a guess."""
    fields = _fields(kind)
    if fields:
        return [fields[str(part)].annotation] if str(part) in fields else []
    inner = get_args(kind)
    if isinstance(part, str):
        return list(inner[1:2])
    fixed = get_origin(kind) is tuple and Ellipsis not in inner
    return list(inner[part : part + 1] if fixed else inner[:1])


@dataclass(frozen=True)
class _Fault:
    """One complaint of pydantic in plain words."""

    path: Parts
    message: str
    union: Parts | None
    at_key: bool

    @classmethod
    def of(cls, model: type[BaseModel], tree: Tree, detail: ErrorDetails) -> "_Fault":
        spot = _Spot(model)
        location = detail["loc"]
        of_name = location[-1:] == ("[key]",)
        for part in location[:-1] if of_name else location:
            spot.follow(part)
        deeper, at_name = _deeper(detail)
        path = as_written((*spot.path, *deeper), tree)
        node, found = tree.nearest(path)
        got = path[-1] if of_name else node.value if found else detail["input"]
        union = spot.union and as_written(spot.union, tree)
        return cls(path, _message(detail, spot, path, shown(got)), union, of_name or at_name)

    def problem(self, tree: Tree) -> Problem:
        place = tree.key_problem if self.at_key else tree.problem
        return place(self.path, self.message)


def _without_echoes(faults: list[_Fault]) -> list[_Fault]:
    """One fault per value of a union, and none where a member fits but for its own faults."""
    inner = {fault.union for fault in faults if fault.union not in {None, fault.path}}
    kept: dict[tuple[Parts, Any], _Fault] = {}
    for number, fault in enumerate(faults):
        at_union = fault.union == fault.path
        if at_union and fault.path in inner:
            continue
        key = (fault.path, None if at_union else number)
        first = kept.get(key)
        kept[key] = (
            replace(first, message=f"{first.message}, or {fault.message}") if first else fault
        )
    return list(kept.values())


def _deeper(detail: ErrorDetails) -> tuple[Parts, bool]:
    """The way from the field that pydantic names to what is at fault, and whether it is a name."""
    context = detail.get("ctx", {})
    if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return (context["discriminator"].strip("'"),), False
    error = context.get("error")
    if isinstance(error, FieldError):
        return error.path, error.at_name
    return (), detail["type"] == "extra_forbidden"


_MESSAGES = {
    "missing": "is required",
    "greater_than": "must be > {gt} (got {got})",
    "greater_than_equal": "must be >= {ge} (got {got})",
    "less_than": "must be < {lt} (got {got})",
    "less_than_equal": "must be <= {le} (got {got})",
    "multiple_of": "must be a multiple of {multiple_of} (got {got})",
    "finite_number": "must be a finite number (got {got})",
    "model_type": "must be a mapping of fields (got {got})",
    "model_attributes_type": "must be a mapping of fields (got {got})",
    "dict_type": "must be a mapping (got {got})",
    "list_type": "must be a list (got {got})",
    "tuple_type": "must be a list (got {got})",
    "string_type": "must be text (got {got}), in quotes if need be",
    "string_pattern_mismatch": "must match {pattern} (got {got})",
    "string_too_short": "must have at least {min_length} characters (got {got})",
    "string_too_long": "must have at most {max_length} characters (got {got})",
    "too_short": "must have at least {min_length} entries (has {actual_length})",
    "too_long": "must have at most {max_length} entries (has {actual_length})",
    "float_type": "must be a number (got {got})",
    "float_parsing": "must be a number (got {got})",
    "int_type": "must be a whole number (got {got})",
    "int_parsing": "must be a whole number (got {got})",
    "int_from_float": "must be a whole number (got {got})",
    "bool_type": "must be true or false (got {got})",
    "bool_parsing": "must be true or false (got {got})",
}


def _message(detail: ErrorDetails, spot: _Spot, path: Parts, got: str) -> str:
    """The complaint as a user would say it."""
    context = detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        return _unknown(str(path[-1]), spot.owners)
    if detail["type"] == "union_tag_not_found":
        return f"is required: {_one_of(_choices(str(path[-1]), spot.types))}"
    choices = context.get("expected_tags") or context.get("expected")
    if choices:
        return _no_choice(choices, got)
    if "error" in context:
        return str(context["error"])
    template = _MESSAGES.get(detail["type"], "")
    rounded = {key: _rounded(value) for key, value in context.items()}
    return template.format(got=got, **rounded) or f"{_bare(detail['msg'])} (got {got})"


def _bare(message: str) -> str:
    return message.replace("Input should", "must", 1)


def _rounded(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unknown(name: str, owners: list[Any]) -> str:
    known = [field for owner in owners for field in _fields(owner)]
    near = suggestion(name, known) or f"; known are {', '.join(known)}"
    return f"is not a known field{near if len(near) < 300 else ''}"


def _no_choice(choices: str, got: str) -> str:
    known = re.findall(r"'([^']*)'", choices) or re.split(r", | or ", choices)
    near = suggestion(got.strip("'"), known)
    return f"must be {_one_of(known)} (got {got}){near}"


def _one_of(words: list[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else "".join(words)


def _choices(name: str, kinds: list[Any]) -> list[str]:
    """What the members of a union allow for the field that tells them apart."""
    fields = [_fields(kind).get(name) for kind in kinds]
    return [str(word) for field in fields if field for word in get_args(field.annotation)]
