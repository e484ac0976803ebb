"""What a scenario file is made of: parts with fields, and in them numbers, durations and moments
the way people write them, as pydantic types.

| type | written | read as |
| --- | --- | --- |
| Amount | 40, 1e6, 1_000_000, 12k, 5m, 1.5bn, 1.2万, 3亿 | float, any sign |
| Whole | the same, without a fraction | int |
| Number | an Amount, or 2.5% | float, any sign |
| Share | 0.025 or 2.5% | float in 0..1 |
| Multiple | 1.05 or 105% | float >= 0 |
| Level | an Amount, or {value: 80, sd: 20%}, or {low: 60, high: 100} | Uncertain >= 0 |
| Rate | a Share, or such a mapping | Uncertain in 0..1 |
| Seconds | 30s, 15min, 1h, 7d, 2w | int [s] |
| Moment | 2020-11-11, 2020-11-11 20:00 | datetime, local wall-clock |

Bounds are pydantic's own: `Annotated[Level, Field(gt=0, le=10)]`; they are checked on the value.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from simulator.errors import FieldError, UserError

# A suffix shifts the decimal point; shifting the exponent keeps 2.5% the float nearest to 0.025.
_SHIFTS = {
    "": 0, "k": 3, "m": 6, "bn": 9, "千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8, "%": -2,
}  # fmt: skip
_NUMBER = r"[+-]?(?:[0-9]{1,3}(?:_[0-9]{3})+(?:\.[0-9]*)?|[0-9]+\.?[0-9]*|\.[0-9]+)"
_EXPONENT = r"(?:[eE][+-]?[0-9]{1,3})?"
_SUFFIX = r"(?:[kKmM]|[bB][nN]|千万|百万|千|万|亿)?"
_PERCENT = r"(?:[kKmM]|[bB][nN]|千万|百万|千|万|亿|%)?"
_AMOUNT = re.compile(rf"({_NUMBER})({_EXPONENT})\s*({_PERCENT})")
_DIGITS = re.compile(r"\s*[+-]?[0-9_]+\s*")
_COMMA = re.compile(r"[+-]?[0-9]{1,3}([,，][0-9]{3})+.*")
_CURRENCY = re.compile(r"(?:¥|CNY|RMB|人民币)?\s*(.*?)\s*(?:元|块|CNY|RMB)?", re.IGNORECASE)
_WAN = re.compile(r"(.*[0-9.])\s*[wW]")
_LONGEST = 64  # characters; no number or moment is longer

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*(s|min|h|d|w)")

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_ZONED = re.compile(r".*[0-9]:[0-9]{2}.*(Z|z|[+-][0-9]{2}:?[0-9]{2})")


def shown(value: object) -> str:
    """The value as an error quotes it: short, and as it stands in the file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = value if isinstance(value, str) else " ".join(str(value).split())
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return repr(short) if isinstance(value, str) else short


def suggestion(word: object, known: list[str]) -> str:
    """`, did you mean 'x'?`, or nothing when no known word is near, or this is no word."""
    near = get_close_matches(word, known, n=1) if isinstance(word, str) else []
    return f", did you mean {near[0]!r}?" if near else ""


# --------------------------------------------------------------------------- uncertain numbers
class Uncertain(float):
    """A number that also knows how well it is known; it counts as its mean everywhere.

    `sd` is relative: 0.2 is 20% of the value. With `low` and `high` the number is uniform between
    them, otherwise log-normal with mean `value`. `stated` tells a spread that somebody wrote
    (0 included) from none at all.
    """

    sd: float
    low: float | None
    high: float | None
    stated: bool
    most: float = math.inf
    """Largest value that the field allows."""

    def __new__(cls, value: float, sd: float | None = None) -> "Uncertain":
        """A log-normal number, or a certain one without `sd`."""
        number = super().__new__(cls, value)
        number.sd, number.stated = sd or 0.0, sd is not None
        number.low = number.high = None
        return number

    @classmethod
    def between(cls, low: float, high: float) -> "Uncertain":
        """A number that is uniform between low and high.

        >>> Uncertain.between(60, 100)
        80.0
        """
        value = low / 2 + high / 2
        sd = (high - low) / math.sqrt(12) / abs(value) if value else 0.0
        number = cls(value, sd)
        number.low, number.high = float(low), float(high)
        return number

    def written(self) -> "float | dict[str, float]":
        """The number as a file may hold it."""
        if self.low is not None and self.high is not None:
            return {"low": self.low, "high": self.high}
        return {"value": float(self), "sd": self.sd} if self.stated else float(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> CoreSchema:
        """Bounds of a field are checked on the instance; JSON gets what a file may hold."""
        written = core_schema.plain_serializer_function_ser_schema(_written, when_used="json")
        return core_schema.is_instance_schema(cls, serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> JsonSchemaValue:
        return {"type": "number"}


def _written(value: float) -> float | dict[str, float]:
    return value.written() if isinstance(value, Uncertain) else value


def spread_of(value: float) -> float:
    """The relative standard deviation of any number: 0 for a plain one."""
    return value.sd if isinstance(value, Uncertain) else 0.0


# --------------------------------------------------------------------------- reading numbers
def read_amount(value: object, percent: bool = True) -> float:
    """A finite number from a number or from text such as 12k, 1.2万 or 2.5%.

    >>> read_amount("1.2万"), read_amount("2.5%"), read_amount("1.5bn")
    (12000.0, 0.025, 1500000000.0)
    """
    if isinstance(value, str):
        return _read_text(value.strip(), percent)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"must be a number (got {shown(value)})")
    return _finite(lambda: float(value), value)


def _read_text(text: str, percent: bool) -> float:
    match = _AMOUNT.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(_no_number(text, percent))
    number, exponent, suffix = match.groups()
    if suffix == "%" and not percent:
        raise ValueError(f"must be a number, not a percentage (got {shown(text)})")
    shift = int(exponent[1:] or 0) + _SHIFTS[suffix.lower()]
    return _finite(lambda: float(f"{number}e{shift}"), text)


def _no_number(text: str, percent: bool) -> str:
    if _COMMA.fullmatch(text[:_LONGEST]):
        plain = re.sub("[,，]", "", text)
        return f"must be a number without commas (got {shown(text)}): write {plain[:_LONGEST]}"
    if text.lstrip("+-.").lower() in {"nan", "inf", "infinity"}:
        return f"must be a finite number (got {shown(text)})"
    near = _plainly(text, percent) if len(text) <= _LONGEST else None
    if near is not None:
        return near
    examples = "40, 12k, 5m, 1.2万" + (" or 2.5%" if percent else "")
    return f"must be a number such as {examples} (got {shown(text)})"


def _plainly(text: str, percent: bool) -> str | None:
    """How an amount is written that people would understand, and that says too much, or too little."""
    half = unicodedata.normalize("NFKC", text)
    money = _CURRENCY.fullmatch(half.strip())
    bare = money[1] if money else ""
    wan = _WAN.fullmatch(bare)
    plain = re.sub(",", "", f"{wan[1]}万" if wan else bare)
    match = _AMOUNT.fullmatch(plain)
    if match is None:
        return None
    if match[3] == "%" and not percent:
        return f"must be a number, not a percentage (got {shown(text)})"
    rules = {
        "in half-width digits and signs": half != text,
        "without a currency, which is CNY": bare != half.strip(),
        "with 万 in place of w, which is a week": wan,
        "without commas": "," in bare,
    }
    broken = ", ".join(rule for rule, is_broken in rules.items() if is_broken)
    return f"must be a number {broken} (got {shown(text)}): write {plain}"


def _finite(read: Callable[[], float], value: object) -> float:
    try:
        number = read()
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"must be a finite number (got {shown(value)})")
    return number


def read_whole(value: object) -> int:
    """An int from an amount that has no fraction, to the last digit.

    >>> read_whole("12k"), read_whole("18446744073709551615")
    (12000, 18446744073709551615)
    """
    number = read_amount(value, percent=False)
    if not number.is_integer():
        raise ValueError(f"must be a whole number (got {shown(value)})")
    if isinstance(value, Integral) or (isinstance(value, str) and _DIGITS.fullmatch(value)):
        return int(value)  # a float knows 15 digits
    return int(number)


@dataclass(frozen=True)
class _Number:
    """How a number may be written, and between what it must lie; pydantic reads both from here."""

    percent: bool = False
    least: float | None = None
    most: float | None = None
    uncertain: bool = False

    def read(self, value: object) -> float:
        """The number, within its bounds."""
        if not self.uncertain:
            return self._one(value)
        if isinstance(value, Uncertain):
            self._check(value, value)
            return value
        number = self._mapping(value) if isinstance(value, Mapping) else Uncertain(self._one(value))
        number.most = math.inf if self.most is None else self.most
        return number

    def _one(self, value: object) -> float:
        number = read_amount(value, self.percent)
        self._check(number, value)
        return number

    def _check(self, number: float, value: object) -> None:
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        if least <= number <= most:
            return
        if self.most is None:
            raise ValueError(f"must be >= {least:g} (got {shown(value)})")
        bare = not isinstance(value, str) and number <= 100
        hint = f"; did you mean {number:g}%?" if bare and number > most else ""
        raise ValueError(f"must lie in {least:g}..{most:g} (got {shown(value)}{hint})")

    def _mapping(self, value: Mapping[Any, object]) -> Uncertain:
        parts = {str(key): self._part(str(key), item) for key, item in value.items()}
        if parts.keys() == {"low", "high"}:
            if parts["low"] > parts["high"]:
                raise FieldError("must not be above high", "low")
            return Uncertain.between(parts["low"], parts["high"])
        if "value" not in parts or parts.keys() & {"low", "high"}:
            raise ValueError("must be a number, {value: ..., sd: ...} or {low: ..., high: ...}")
        return Uncertain(parts["value"], parts.get("sd"))

    def _part(self, key: str, value: object) -> float:
        if key not in _PARTS:
            near = suggestion(key, list(_PARTS))
            raise FieldError(f"is not a known field{near}", key, at_name=True)
        try:
            return _SPREAD.read(value) if key == "sd" else self._one(value)
        except ValueError as error:
            raise FieldError(str(error), key) from None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        read = read_whole if source is int else self.read
        inner = handler(Uncertain if self.uncertain else source)
        return core_schema.no_info_before_validator_function(read, inner)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Number, text or mapping; bounds stand beside them, where they bind numbers alone."""
        number = {"minimum": self.least, "maximum": self.most} | _bounds(handler(schema))
        bounds = {key: bound for key, bound in number.items() if bound is not None}
        suffix = _PERCENT if self.percent else _SUFFIX
        text = {"type": "string", "pattern": rf"^[+-]?[0-9._]+{_EXPONENT}\s*{suffix}$"}
        forms = [{"type": "number"}, text, *([_MAPPING_SCHEMA] if self.uncertain else [])]
        return {"anyOf": forms, **bounds}


_PARTS = ("value", "sd", "low", "high")
_SPREAD = _Number(percent=True, least=0, most=5)
_MAPPING_SCHEMA: JsonSchemaValue = {
    "type": "object",
    "properties": {part: {"type": ["number", "string"]} for part in _PARTS},
    "anyOf": [{"required": ["value"]}, {"required": ["low", "high"]}],
    "additionalProperties": False,
}
_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def _bounds(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The bounds of a field; pydantic leaves those it checks after a function in its own words."""
    words = {_BOUNDS.get(key, key): value for key, value in schema.items()}
    return {key: value for key, value in words.items() if key in _BOUNDS.values()}


# --------------------------------------------------------------------------- writing numbers
def compact(value: float | None) -> str:
    """A number in at most eight characters.

    >>> compact(8_998_120), compact(1234.5), compact(0.6149), compact(None)
    ('9.00m', '1,234', '0.615', '-')
    """
    if value is None:
        return "-"
    for size, unit, least in ((1e9, "bn", 0.9995e9), (1e6, "m", 0.9995e6), (1e3, "k", 9.995e3)):
        if abs(value) >= least:
            part = abs(value) / size
            digits = 2 if part < 9.995 else 1 if part < 99.95 else 0
            return f"{value / size:,.{digits}f}{unit}"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    if value and abs(value) < 0.001:
        return f"{value:.0e}"
    return f"{value:#.3g}".rstrip(".") if value else "0"


# --------------------------------------------------------------------------- reading times
def read_seconds(value: object) -> int:
    """Whole seconds from text such as 30s, 15min, 1h, 7d or 2w.

    >>> read_seconds("1.5h")
    5400
    """
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be a duration such as 30s, 15min, 1h or 7d (got {shown(value)})")
    seconds = float(match[1]) * _UNITS[match[2]]
    if not seconds.is_integer():
        raise ValueError(f"must be whole seconds (got {shown(value)})")
    return int(seconds)


def read_moment(value: object) -> datetime:
    """A local wall-clock time from an ISO date or date and time; a date is its midnight."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    text = value.strip() if isinstance(value, str) else ""
    if _ZONED.fullmatch(text[:_LONGEST]):
        raise ValueError(f"must be local time without a time zone (got {shown(value)})")
    try:
        return datetime.fromisoformat(text if _MOMENT.fullmatch(text) else "")
    except ValueError:
        example = "2020-11-11 or 2020-11-11 20:00"
        raise ValueError(f"must be a date such as {example} (got {shown(value)})") from None


# --------------------------------------------------------------------------- writing
def duration(seconds: int) -> str:
    """Whole seconds as people write them."""
    if seconds == 0:
        return "0s"
    units = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    name = next(unit for unit, size in units.items() if seconds % size == 0)
    return f"{seconds // units[name]}{name}"


def moment_text(moment: datetime) -> str:
    """The moment as people write it."""
    return moment.isoformat(" ").removesuffix(":00").removesuffix(" 00:00")


def percent(share: float) -> str:
    """The share as people write it."""
    return f"{100 * share:.6g}%"


# --------------------------------------------------------------------------- types for fields
# To a type checker an uncertain number is a float, so that a default can be a plain 1.0.
Amount = Annotated[float, _Number()]
Whole = Annotated[int, _Number()]
Number = Annotated[float, _Number(percent=True)]
Share = Annotated[float, _Number(percent=True, least=0, most=1)]
Multiple = Annotated[float, _Number(percent=True, least=0)]
Level = Annotated[float, _Number(least=0, uncertain=True)]
Rate = Annotated[float, _Number(percent=True, least=0, most=1, uncertain=True)]
Seconds = Annotated[
    int,
    BeforeValidator(read_seconds),
    PlainSerializer(lambda seconds: f"{seconds}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": rf"^{_DURATION.pattern}$"}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(read_moment),
    WithJsonSchema({"type": "string", "pattern": rf"^{_MOMENT.pattern}$"}),
]


# --------------------------------------------------------------------------- parts
class Part(BaseModel):
    """A piece of a scenario file: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __setattr__(self, name: str, value: Any) -> None:
        """A scenario stays as it was read, so that outcomes can be trusted to be its own."""
        raise UserError(
            f"a scenario does not change; sim.with_values(scenario, {{'budget': 8e4}}) makes another one, "
            f"with the path that leads to {name!r}"
        )
