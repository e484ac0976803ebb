"""Amounts, durations, moments and uncertain numbers."""

import copy
import json
import math
import pickle
from datetime import date, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from simulator.scenario.amounts import (
    Amount,
    Level,
    Moment,
    Multiple,
    Rate,
    Seconds,
    Share,
    Uncertain,
    Whole,
    spread_of,
)


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def complaint(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    return caught.value.errors()[0]["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (40, 40.0),
        (-1.5, -1.5),
        ("40", 40.0),
        ("9e6", 9e6),
        ("1E6", 1e6),
        ("12k", 12e3),
        ("12 k", 12e3),
        ("9m", 9e6),
        ("9M", 9e6),
        ("1.5bn", 1.5e9),
        ("1.2万", 12e3),
        ("900万", 9e6),
        ("3亿", 3e8),
        ("2千万", 2e7),
        ("1_000_000", 1e6),
        (".5", 0.5),
        ("+3.", 3.0),
        ("-12k", -12e3),
    ],
)
def test_an_amount_is_read_exactly(written, number):
    assert read(Amount, written) == number


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("1,200", "must be a number without commas (got '1,200'): write 1200"),
        ("1,200万", "without commas"),
        ("2.5%", "must be a number, not a percentage (got '2.5%')"),
        ("1_00", "must be a number such as 40, 12k, 5m, 1.2万 (got '1_00')"),
        ("twelve", "got 'twelve'"),
        ("", "got ''"),
        ("12kk", "got '12kk'"),
        ("１２", "must be a number in half-width digits and signs (got '１２'): write 12"),
        (
            "１，２００",
            "in half-width digits and signs, without commas (got '１，２００'): write 1200",
        ),
        ("20w", "must be a number with 万 in place of w, which is a week (got '20w'): write 20万"),
        ("1.5 W", "write 1.5万"),
        (
            "￥ 20w",
            "without a currency, which is CNY, with 万 in place of w, which is a week (got '￥ 20w'): write 20万",
        ),
        ("¥20万", "must be a number without a currency, which is CNY (got '¥20万'): write 20万"),
        ("20 元", "write 20"),
        ("20万元", "must be a number without a currency, which is CNY (got '20万元'): write 20万"),
        (
            "RMB 1,200",
            "without a currency, which is CNY, without commas (got 'RMB 1,200'): write 1200",
        ),
        ("１２ ％", "must be a number, not a percentage (got '１２ ％')"),
        ("元", "must be a number such as"),
        ("w", "must be a number such as"),
        (True, "must be a number (got true)"),
        (None, "must be a number (got nothing)"),
        ([1], "must be a number (got a list)"),
        ({"value": 1}, "must be a number (got a mapping)"),
        (math.nan, "must be a finite number (got nan)"),
        (-math.inf, "must be a finite number (got -inf)"),
        ("nan", "must be a finite number (got 'nan')"),
        ("-.inf", "must be a finite number (got '-.inf')"),
        ("1e999", "must be a finite number (got '1e999')"),
        (10**400, "must be a finite number"),
        ("9" * 1000, "must be a number"),
    ],
)
def test_what_is_no_amount_is_refused(written, words):
    assert words in complaint(Amount, written)


def test_a_whole_number_has_no_fraction():
    assert read(Whole, "1.2万") == 12_000
    assert type(read(Whole, "1.2万")) is int
    assert read(Whole, 2**60 + 1) == 2**60 + 1
    assert complaint(Whole, "1.5") == "must be a whole number (got '1.5')"
    assert complaint(Whole, 2.5) == "must be a whole number (got 2.5)"


def test_a_share_lies_between_0_and_1():
    assert read(Share, "2.5%") == 0.025
    assert read(Share, 0.025) == 0.025
    assert read(Share, "100%") == 1
    assert complaint(Share, 20) == "must lie in 0..1 (got 20; did you mean 20%?)"
    assert complaint(Share, "120%") == "must lie in 0..1 (got '120%')"
    assert complaint(Share, -0.1) == "must lie in 0..1 (got -0.1)"


def test_a_full_width_percentage_is_told_how_to_be_written():
    rule = "must be a number in half-width digits and signs"
    assert complaint(Share, "１２ ％") == f"{rule} (got '１２ ％'): write 12 %"


def test_a_multiple_may_be_written_in_percent():
    assert read(Multiple, "105%") == 1.05
    assert complaint(Multiple, "-1") == "must be >= 0 (got '-1')"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("15min", 900), ("1h", 3600), ("1.5 h", 5400), ("7d", 604_800), ("2w", 1209600)],
)
def test_a_duration_is_whole_seconds(written, seconds):
    assert read(Seconds, written) == seconds


@pytest.mark.parametrize(
    "written", [15, "15", "15m", "-1h", "1h30", "", None, True, "9" * 99 + "h"]
)
def test_what_is_no_duration_is_refused(written):
    assert "must be a duration such as 30s, 15min, 1h or 7d" in complaint(Seconds, written)


def test_a_duration_below_a_second_is_refused():
    assert complaint(Seconds, "0.5s") == "must be whole seconds (got '0.5s')"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2020-11-11", datetime(2020, 11, 11)),
        ("2020-11-11 20:00", datetime(2020, 11, 11, 20)),
        ("2020-11-11T20:00:30", datetime(2020, 11, 11, 20, 0, 30)),
        (date(2020, 11, 11), datetime(2020, 11, 11)),
        (datetime(2020, 11, 11, 1), datetime(2020, 11, 11, 1)),
    ],
)
def test_a_moment_is_local_time(written, moment):
    assert read(Moment, written) == moment


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("2020-11-11T20:00Z", "must be local time without a time zone"),
        ("2020-11-11 20:00 +08:00", "must be local time without a time zone"),
        ("2020-11-11T20:00:00+0800", "must be local time without a time zone"),
        ("2020-02-30", "must be a date such as 2020-11-11"),
        ("11/11/2020", "must be a date such as 2020-11-11"),
        (20201111, "must be a date such as 2020-11-11"),
        ("2020-11-11 24:30", "must be a date such as 2020-11-11"),
        (None, "got nothing"),
    ],
)
def test_what_is_no_moment_is_refused(written, words):
    assert words in complaint(Moment, written)


# --------------------------------------------------------------------------- uncertain numbers
def test_a_plain_number_is_certain():
    level = read(Level, "12k")
    assert (level, level.sd, level.stated, level.low) == (12_000, 0, False, None)
    assert isinstance(level, Uncertain)
    assert spread_of(level) == spread_of(3.0) == 0


def test_a_number_with_a_spread():
    level = read(Level, {"value": 80, "sd": "20%"})
    assert (level, level.sd, level.stated) == (80, 0.2, True)
    assert spread_of(level) == 0.2


def test_a_spread_of_0_is_stated():
    assert read(Level, {"value": 80, "sd": 0}).stated
    assert not read(Level, {"value": 80}).stated


def test_a_range_is_uniform_around_its_middle():
    rate = read(Rate, {"low": "2%", "high": "6%"})
    assert rate == 0.04
    assert (rate.low, rate.high, rate.stated) == (0.02, 0.06, True)
    assert rate.sd == pytest.approx(0.04 / math.sqrt(12) / 0.04)


@pytest.mark.parametrize(
    ("kind", "written", "words"),
    [
        (Level, -0.5, "must be >= 0 (got -0.5)"),
        (Level, "50%", "not a percentage"),
        (Level, {"value": -1}, "must be >= 0 (got -1)"),
        (Level, {"value": 1, "sd": -1}, "must lie in 0..5 (got -1)"),
        (Level, {"value": 1, "sd": 20}, "must lie in 0..5 (got 20; did you mean 20%?)"),
        (Level, {"value": 1, "std": 0.2}, "is not a known field, did you mean 'sd'?"),
        (Level, {"low": 3, "high": 2}, "must not be above high"),
        (Level, {"low": 3}, "must be a number, {value: ..., sd: ...} or {low: ..., high: ...}"),
        (Level, {"value": 3, "high": 4, "low": 1}, "must be a number, {value: ..."),
        (Level, {}, "must be a number, {value: ..."),
        (Level, {1: 2}, "is not a known field"),
        (Rate, {"low": 0.5, "high": 1.5}, "must lie in 0..1 (got 1.5"),
        (Rate, Uncertain(2.0), "must lie in 0..1"),
        (Level, {"value": {"value": 3}}, "must be a number (got a mapping)"),
    ],
)
def test_a_bad_uncertain_number_is_refused(kind, written, words):
    assert words in complaint(kind, written)


class Slot(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cpm: Annotated[Level, Field(gt=0, le=100)] = 20.0
    ctr: Rate = Field(default=0.1, lt=0.5)
    packages: Annotated[Whole, Field(ge=1)] = 1
    reserve: Amount = Field(default=0.0, ge=0)
    every: Seconds = 3600
    start: Moment | None = None
    rest: Level | Literal["auto"] = "auto"


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("cpm", 100, 101),
        ("cpm", {"value": 1, "sd": 0.1}, {"value": 101, "sd": 0.1}),
        ("cpm", {"low": 50, "high": 110}, {"low": 0, "high": 0}),
        ("ctr", "49%", "50%"),
        ("packages", 1, 0),
        ("reserve", 0, -1),
    ],
)
def test_bounds_of_a_field_hold_however_they_are_declared(field, good, bad):
    Slot.model_validate({field: good})
    with pytest.raises(ValidationError):
        Slot.model_validate({field: bad})


WRITTEN = {
    "cpm": {"value": 40, "sd": "20%"},
    "ctr": {"low": "1%", "high": "3%"},
    "packages": "3",
    "every": "15min",
    "start": "2020-11-11 20:00",
    "rest": "1k",
}


def test_a_model_survives_json_copies_and_pickles():
    slot = Slot.model_validate(WRITTEN)
    for twin in (
        Slot.model_validate_json(slot.model_dump_json()),
        Slot.model_validate(slot.model_dump()),
        copy.deepcopy(slot),
        pickle.loads(pickle.dumps(slot)),
    ):
        assert twin == slot
        assert [spread_of(twin.cpm), spread_of(twin.ctr)] == [0.2, spread_of(slot.ctr)]
        assert isinstance(twin.ctr, Uncertain)
        assert (twin.ctr.low, twin.ctr.high) == (0.01, 0.03)


@pytest.mark.parametrize(
    ("data", "valid"),
    [
        (WRITTEN, True),
        (json.loads(Slot.model_validate(WRITTEN).model_dump_json()), True),
        ({"cpm": 0}, False),
        ({"cpm": 101}, False),
        ({"cpm": "many"}, False),
        ({"cpm": "40%"}, False),
        ({"cpm": {"sd": 0.1}}, False),
        ({"cpm": {"value": 3, "std": 0.1}}, False),
        ({"cpm": True}, False),
        ({"ctr": "2.5%"}, True),
        ({"ctr": 0.6}, False),
        ({"packages": "2万"}, True),
        ({"packages": 0}, False),
        ({"reserve": -1}, False),
        ({"every": 900}, False),
        ({"start": "11/11/2020"}, False),
    ],
)
def test_the_json_schema_tells_an_editor_the_same(data, valid):
    jsonschema = pytest.importorskip("jsonschema")
    checker = jsonschema.Draft202012Validator(Slot.model_json_schema())
    assert checker.is_valid(data) is valid
