"""The figures that docs/model.md names can be printed."""

import pytest

from simulator.errors import UserError
from tests.bench.facts import STORIES, fact_rows
from tests.test_stories import NAMES


def test_every_fact_of_a_story_has_one():
    assert {*STORIES} <= {*NAMES}


def test_a_fact_is_printed_with_what_a_plan_adds():
    story = "two_waves_ease_payment"
    rows = {row.what: row for row in fact_rows([story])}
    one, two = (rows[f"{story}: {days} peak_payment_load"] for days in ("one_day", "two_waves"))
    assert one.measured > 1.5 * two.measured
    assert "against no ads" in one.note and not two.note  # another world than that without ads


def test_an_unknown_fact_is_told():
    with pytest.raises(UserError, match="no fact is called 'baskts', did you mean 'baskets'"):
        list(fact_rows(["baskts"]))
