"""What rows say, on made-up rows whose answers are known."""

from itertools import product

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.sweeps.analysis import (
    best_plans,
    cell_figures,
    main_effects,
    parameters_of,
    rank_correlations,
    regrets,
    variance_shares,
)
from tests.sweeps.made import rows_of

LEVELS = {"a": [-1.0, 0.0, 1.0], "b": [-2.0, 2.0]}
ROWS = rows_of({"sum": lambda a, b: 2 * a + b, "product": lambda a, b: a * b}, LEVELS)


def test_parameters_are_what_is_no_label_and_no_metric():
    assert parameters_of(ROWS.assign(roi=1.0, outlay=1.0, profit_incremental=1.0)) == ["a", "b"]


def test_a_ratio_is_the_ratio_of_means():
    rows = ROWS.head(4).assign(
        roi=[9.0] * 4, profit_incremental=[1.0, 5.0, 1.0, 1.0], outlay=[1.0, 2.0, 0.0, 0.0]
    )
    assert cell_figures(rows, "roi")["roi"].tolist()[0] == 2.0
    assert np.isnan(cell_figures(rows, "roi")["roi"].tolist()[1])


def test_the_best_plan_of_every_cell():
    table = best_plans(ROWS, "profit")
    margin = {(a, b): (2 * a + b) - a * b for a, b in product(*LEVELS.values())}
    for row in table.itertuples():
        gap = margin[row.a, row.b]
        assert row.ahead == abs(gap)
        if gap:
            assert row.plan == ("sum" if gap > 0 else "product")
    assert len(table) == 6


def test_a_cell_in_which_all_plans_are_undefined_has_no_best_one():
    rows = rows_of(
        {"p": lambda a: 1.0, "q": lambda a: 2.0}, {"a": [0.0, 1.0]}, "profit_incremental"
    )
    table = best_plans(rows.assign(roi=np.nan, outlay=rows["a"]), "roi")
    assert list(table["cell"]) == [0, 1]
    assert list(table["plan"].isna()) == [True, False]
    assert table["plan"][1] == "q"


def test_the_regret_of_a_fixed_plan():
    gaps = np.array([(2 * a + b) - a * b for a, b in product(*LEVELS.values())])
    table = regrets(ROWS, "profit").set_index("plan")
    assert table.loc["sum", "mean"] == pytest.approx(np.maximum(-gaps, 0).mean())
    assert table.loc["product", "worst"] == np.maximum(gaps, 0).max()
    assert table.loc["sum", "best_share"] == (gaps >= 0).mean()


def test_less_is_better_where_the_metric_says_so():
    rows = rows_of(
        {"cheap": lambda a: 5 + a, "dear": lambda a: 7 + a}, {"a": [0.0, 1.0]}, "refunds"
    )
    assert set(best_plans(rows, "refunds")["plan"]) == {"cheap"}
    assert regrets(rows, "refunds").set_index("plan").loc["dear", "mean"] == 2.0


def test_main_effects_are_means_over_all_else():
    table = main_effects(ROWS, "profit").set_index(["plan", "parameter", "value"])["profit"]
    table = table.sort_index()
    assert table["sum", "a"].to_dict() == {-1.0: -2.0, 0.0: 0.0, 1.0: 2.0}
    assert table["product", "b"].to_dict() == {-2.0: 0.0, 2.0: 0.0}


def test_rank_correlation_is_one_for_what_only_rises():
    rows = rows_of({"p": lambda a, c: np.exp(a)}, {"a": [0.0, 1.0, 5.0], "c": ["x", "y"]})
    [row] = rank_correlations(rows, "profit").itertuples()
    assert (row.parameter, row.correlation) == ("a", pytest.approx(1.0))


def test_variance_shares_of_a_sum_and_of_a_product():
    """Var(2a) = 8/3 and Var(b) = 4; a product of centred factors has no effect by itself."""
    table = variance_shares(ROWS, "profit").set_index(["plan", "parameter"])
    assert table.loc[("sum", "a")].tolist()[1:] == pytest.approx([0.4, 0.4])
    assert table.loc[("sum", "b")].tolist()[1:] == pytest.approx([0.6, 0.6])
    assert table.loc[("product", "a")].tolist()[1:] == pytest.approx([0.0, 1.0])


def test_variance_shares_of_half_a_grid_are_refused():
    with pytest.raises(UserError, match="5 of 6 are there; use design: grid without where"):
        variance_shares(ROWS[ROWS["cell"] > 0], "profit")


def test_a_metric_that_is_not_kept_or_has_no_better_side_is_refused():
    with pytest.raises(
        UserError, match="the study keeps no metric 'profti', did you mean 'profit'"
    ):
        cell_figures(ROWS, "profti")
    with pytest.raises(UserError, match="neither more nor less of spend is better"):
        regrets(ROWS.rename(columns={"profit": "spend"}), "spend")
