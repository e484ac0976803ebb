"""The answer: what every plan brought, with what certainty, and how plans differ.

symbol   meaning                                            shape
book     all lanes of the run                               [.., lane]
lane     plan * replications + replication; the last plan is the zero-spend one
figure   a metric of a plan (or of a scene): see metrics.py and compare.py
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from simulator.errors import UserError
from simulator.outcomes.compare import (
    Sample,
    by_replication,
    describe,
    paired_difference,
    plain,
    ratio_of_means,
    share_above,
)
from simulator.outcomes.ledger import Ledger
from simulator.outcomes.metrics import (
    BY_NAME,
    CELL_METRICS,
    COMMISSION_METRICS,
    METRICS,
    NO_ADS,
    PACKAGE_METRICS,
    PRODUCT_METRICS,
    SCENE_METRICS,
    Metric,
    Quantities,
    Terms,
    cells_of,
    goods_of,
    items_above,
    quantities,
    quantities_of,
    tail_shares,
)
from simulator.scenario.asked import asked, asked_money, write_sheet

if TYPE_CHECKING:
    import pandas as pd

Named = TypeVar("Named")
Numbers = dict[str, float | None]
STATISTICS = ("mean", "p10", "p50", "p90", "ci_lo", "ci_hi", "undefined_share")
PART_NAMES = {
    "scenes": "scene", "cells": "phase", "products": "product", "packages": "package",
    "commissions": "commission",
}  # fmt: skip
"""Columns of a table in long form, by the kind of part that they name; a cell has a scene beside its phase."""
DIFFERENCES = ("a", "b", "difference", "ci_lo", "ci_hi", "better", "variance_reduction")


@dataclass(frozen=True)
class Axes:
    """Names along the axes of the book."""

    plans: tuple[str, ...]
    """Without the zero-spend plan, which stands last in the book."""
    scenes: tuple[str, ...]
    phases: tuple[str, ...]
    segments: tuple[str, ...]
    products: tuple[str, ...]
    stages: tuple[str, ...]
    """Chain stages."""
    days: tuple[str, ...] = ()
    """Dates of the daily book, ISO; empty without one."""
    items: tuple[int, ...] = ()
    """Items for which each product stands; empty: one each."""
    tails: tuple[float, ...] = ()
    """Zipf exponent of their sales by rank."""
    commissions: tuple[str, ...] = ()
    """Commissioned media."""
    packages: tuple[str, ...] = ()
    """Contract packages, "slot.package"; empty in runs of a version that did not name them."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a run found; the one thing that `simulate` returns."""

    scenario: str
    """Name of the scenario's file."""
    title: str
    mode: Literal["expected", "sampled"]
    replications: int
    """Draws of chance in each plan; in expected mode, quadrature points of equal weight."""
    seed: int
    axes: Axes = field(repr=False)
    book: Ledger = field(repr=False)
    terms: Terms = field(repr=False)
    chance_only: "Outcomes | None" = field(default=None, repr=False)
    """The same plans with every uncertain number at its central value."""
    scenario_hash: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        plans = self.axes.plans
        if NO_ADS in plans or len(set(plans)) < len(plans):
            raise UserError(
                f"plan names must differ, and {NO_ADS!r} is always run beside them; "
                f"got {', '.join(plans)}"
            )
        if self.mode not in ("expected", "sampled"):
            raise ValueError(f"mode is {self.mode!r}")
        if self.chance_only is not None and self.chance_only.axes.plans != plans:
            raise ValueError("chance_only has other plans")
        self._check_shapes()

    def _check_shapes(self) -> None:
        axes, n, terms = self.axes, self.replications, self.terms
        plans = len(axes.plans) + 1
        wanted = {
            "book.spend": (len(axes.scenes), len(axes.phases), plans * n),
            "book.viewed": (len(axes.segments), plans * n),
            "terms.people": (len(axes.segments), n),
            "terms.fixed": (len(axes.scenes), plans),
        }
        arrays = (self.book.spend, self.book.viewed, terms.people, terms.fixed)
        for (name, shape), array in zip(wanted.items(), arrays, strict=True):
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
        cells = (len(axes.scenes), len(axes.phases), plans)
        if terms.money.size and terms.money.shape != cells:
            raise ValueError(f"terms.money has shape {terms.money.shape}, not {cells}")

    @property
    def plans(self) -> tuple[str, ...]:
        """Names of the plans, the zero-spend one left out."""
        return self.axes.plans

    @cached_property
    def _lanes(self) -> Quantities:
        return quantities(self.book, self.terms)

    @cached_property
    def _scene_lanes(self) -> Quantities:
        return quantities_of(self.book.scenes, self.replications)

    @cached_property
    def _cell_lanes(self) -> Quantities:
        return cells_of(self.book, self.terms)

    # ------------------------------------------------------------------ figures
    def sample(self, plan: str, metric: str) -> Sample:
        """Numerator and denominator of a metric in every replication."""
        return _find(metric, BY_NAME, "metric").sample(self._lanes, self.row(plan))

    def values(self, plan: str, metric: str) -> np.ndarray:
        """A metric in every replication, NaN where it is undefined: [replication]."""
        return by_replication(self.sample(plan, metric))

    def metrics(self, plan: str) -> dict[str, Numbers]:
        """Every metric of a plan: mean, quantiles and interval; in expected mode the mean alone."""
        row = self.row(plan)
        return {m.name: self._describe(m.sample(self._lanes, row)) for m in METRICS}

    def scenes(self, plan: str) -> dict[str, dict[str, Numbers]]:
        """Every metric of every scene of a plan."""
        return self._each(plan, self.axes.scenes, SCENE_METRICS, self._scene_lanes)

    def cells(self, plan: str) -> dict[str, dict[str, dict[str, Numbers]]]:
        """Auction money that was planned, spent and left, of every scene by each phase in which it has any."""
        row, found = self.row(plan), dict[str, dict[str, dict[str, Numbers]]]()
        if not self.terms.money.size:
            return found
        lanes = self._cell_lanes
        for i, f in np.argwhere(lanes["planned"][:, :, row, 0] != 0):
            figures = {m.name: self._describe(m.sample(lanes, (i, f, row))) for m in CELL_METRICS}
            if figures["planned"]["mean"] or figures["auction_spend"]["mean"]:
                found.setdefault(self.axes.scenes[i], {})[self.axes.phases[f]] = figures
        return found

    def parts(self, plan: str) -> dict[str, dict[str, dict[str, Numbers]]]:
        """Every metric of every product, of every package that the plan books or pays, and of commissioned
        media: by "products", "packages" and "commissions".
        """
        book, n = self.book, self.replications
        sold, brought = quantities_of(goods_of(book), n), quantities_of(book.commissions, n)
        served = quantities_of(book.packages, n)
        packages = self._each(plan, self.axes.packages, PACKAGE_METRICS, served)
        return {
            "products": self._each(plan, self.axes.products, PRODUCT_METRICS, sold),
            "packages": {
                name: row
                for name, row in packages.items()
                if row["booked"]["mean"] or row["paid"]["mean"]
            },
            "commissions": self._each(plan, self.axes.commissions, COMMISSION_METRICS, brought),
        }

    def differences(self, a: str, b: str) -> dict[str, Numbers]:
        """Plan a less plan b in every metric, over the same replications.

        `better` is the share of replications in which a is better, a tie counting half; it is None
        where neither more nor less is better. Expected mode has the differences alone.
        """
        rows = self.row(a), self.row(b)
        return {m.name: self._differ(m, *rows) for m in METRICS}

    # ------------------------------------------------------------------ tables
    def summary(self, *metrics: str) -> "pd.DataFrame":
        """A row per plan; columns (metric, statistic) for these metrics, or for all."""
        import pandas as pd

        chosen = [_find(name, BY_NAME, "metric").name for name in metrics] or list(BY_NAME)
        rows = []
        for plan in self.plans:
            figures = self.metrics(plan)
            rows.append([x for m in chosen for x in self._cells(figures[m])])
        columns = pd.MultiIndex.from_product(
            [chosen, self._statistics], names=["metric", "statistic"]
        )
        index = pd.Index(self.plans, name="plan", dtype=object)
        return pd.DataFrame(np.array(rows, dtype=float), index=index, columns=columns)

    def compare(self, a: str, b: str) -> "pd.DataFrame":
        """`differences` as a table: a row per metric."""
        import pandas as pd

        table = self.differences(a, b)
        columns = list(next(iter(table.values())))
        numbers = np.array([list(row.values()) for row in table.values()], dtype=float)
        return pd.DataFrame(numbers, index=pd.Index(table, name="metric"), columns=columns)

    def days(self, plan: str) -> "pd.DataFrame":
        """Means by day: spend, gmv, gross new customers, visits; then spend and gmv of each scene.

        Refunds of a day's new customers fall on later days; the whole plan's `new_customers` are net of them.
        """
        import pandas as pd

        if not self.axes.days:
            raise UserError("this run has no daily book; simulate it again with one")
        table: dict[str, Any] = {"date": pd.to_datetime(list(self.axes.days))}
        named = {"new_customers_gross": "new_customers"}  # as metrics call it
        for name in ("spend", "gmv", "new_customers_gross", "visits"):
            table[name] = self._mean(self.book.days[named.get(name, name)], plan)
        for measure in ("spend", "gmv"):
            by_scene = self._mean(self.book.days[f"scene_{measure}"], plan)
            names = [f"{measure}.{scene}" for scene in self.axes.scenes]
            table |= dict(zip(names, by_scene.T, strict=True))
        return pd.DataFrame(table)

    def people(self, plan: str) -> "pd.DataFrame":
        """Mean number of people at the end: a row per chain stage, a column per segment.

        A segment that crowds cut (`selection.pool`) has a column for each of its layers.
        """
        import pandas as pd

        rows = pd.Index(self.axes.stages, name="chain_stage")
        columns = pd.Index(self.axes.segments, name="segment")
        return pd.DataFrame(self._mean(self.book.people, plan), index=rows, columns=columns)

    def products(self, plan: str) -> "pd.DataFrame":
        """Every metric of every product in its mean, and as `sold_out_on` the median day of `sold_out_day`.

        That date is that of the replications in which it sold out; without a daily book it is not known.
        """

        table = self._means_of("product", self.parts(plan)["products"], PRODUCT_METRICS)
        table["sold_out_on"] = np.array(list(self.sold_out_on(plan).values()), "datetime64[s]")
        return table

    def sold_out_on(self, plan: str) -> dict[str, str | None]:
        """Median date (ISO) on which each product sold out in the replications in which it did."""
        dates: dict[str, str | None] = dict.fromkeys(self.axes.products)
        first = self.row(plan) * self.replications
        own = self.book.products["sold_out_day"][:, first : first + self.replications]
        for name, days in zip(dates, own, strict=True):
            known = days[np.isfinite(days)]
            if known.size and self.axes.days:
                day = timedelta(days=int(np.median(known)))
                dates[name] = (date.fromisoformat(self.axes.days[0]) + day).isoformat()
        return dates

    def items(self, plan: str, *, least: float = 1e6) -> "pd.DataFrame":
        """Means by product: its items, how many sell `least` CNY or more, and the gmv of the best.

        A product with `items` in the file stands for a tail: rank r has r^-tail of its gmv, scaled.
        """
        import pandas as pd

        least = asked_money("least", least)
        products, gmv = self.axes.products, self.book.products["gmv"]
        counts = self.axes.items or (1,) * len(products)
        shapes = list(zip(counts, self.axes.tails or (1.0,) * len(products), strict=True))
        above = [items_above(row, *shape, least) for row, shape in zip(gmv, shapes, strict=True)]
        best = np.array([tail_shares(*shape)[0] for shape in shapes])
        table = {
            "items": counts,
            "items_above": self._mean(np.array(above), plan),
            "gmv_of_best": self._mean(gmv, plan) * best,
        }
        return pd.DataFrame(table, index=pd.Index(products, name="product"))

    def packages(self, plan: str) -> "pd.DataFrame":
        """Every metric of every package that the plan books, or pays for leaving out, in its mean."""
        return self._means_of("package", self.parts(plan)["packages"], PACKAGE_METRICS)

    def commissions(self, plan: str) -> "pd.DataFrame":
        """Mean visits, gmv on these visits, and cost of commissioned media."""
        import pandas as pd

        self.row(plan)
        table = {name: self._mean(rows, plan) for name, rows in self.book.commissions.items()}
        index = pd.Index(self.axes.commissions, name="commission", dtype=object)
        return pd.DataFrame(table, index=index, columns=["visits", "gmv", "cost"])

    # ------------------------------------------------------------------ to other programs
    def as_json(self) -> dict[str, Any]:
        """What `adsim run --format json` prints; undefined numbers are None."""
        head = {"scenario": self.scenario, "mode": self.mode}
        counts = {"replications": self.replications, "seed": self.seed}
        return head | counts | {"plans": [self._plan_json(plan) for plan in self.plans]}

    def as_csv(self) -> str:
        """Long form: a row per plan and metric, then per scene or other part of it, which its column names."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["plan", *PART_NAMES.values(), "metric", *self._statistics])
        for plan, part, metric, numbers in self._long():
            names = [part.get(kind, "") for kind in PART_NAMES]
            table.writerow([plan, *names, metric, *self._cells(numbers)])
        return text.getvalue()

    def to_csv(self, path: str | Path) -> None:
        """Write `as_csv` to a file that spreadsheet programs open as UTF-8."""
        write_sheet(path, self.as_csv())

    # ------------------------------------------------------------------ parts
    def _each(
        self, plan: str, names: tuple[str, ...], metrics: tuple[Metric, ...], lanes: Quantities
    ) -> dict[str, dict[str, Numbers]]:
        """Metrics of every row of lanes [row, plan, replication]."""
        row = self.row(plan)
        return {
            name: {m.name: self._describe(m.sample(lanes, (i, row))) for m in metrics}
            for i, name in enumerate(names)
        }

    def _means_of(
        self, what: str, parts: Mapping[str, Mapping[str, Numbers]], metrics: tuple[Metric, ...]
    ) -> "pd.DataFrame":
        """Means as a table: a row per part, a column per metric."""
        import pandas as pd

        names = [metric.name for metric in metrics]
        rows = [[figures[name]["mean"] for name in names] for figures in parts.values()]
        index = pd.Index(parts, name=what, dtype=object)
        numbers = np.array(rows, dtype=float).reshape(len(rows), len(names))
        return pd.DataFrame(numbers, index=index, columns=names)

    @property
    def _statistics(self) -> tuple[str, ...]:
        return STATISTICS if self.mode == "sampled" else STATISTICS[:1]

    def _cells(self, numbers: Numbers) -> list[float | None]:
        """A figure's row of a table, in which an undefined share of zero is written out."""
        return [numbers.get(name, 0.0) for name in self._statistics]

    def row(self, plan: str) -> int:
        """Where a plan stands in the book; "none" and "no ads" are the zero-spend one."""
        names = [*self.plans, NO_ADS]
        if plan == "none" and plan not in names:  # as plans are asked for
            plan = NO_ADS
        return _find(plan, {name: row for row, name in enumerate(names)}, "plan")

    def _mean(self, values: np.ndarray, plan: str) -> np.ndarray:
        """Mean over the lanes of a plan: [.., lane] to [..]."""
        first = self.row(plan) * self.replications
        own = np.ascontiguousarray(values[..., first : first + self.replications])
        return np.asarray(own.mean(axis=-1))

    def _describe(self, sample: Sample) -> Numbers:
        if self.mode == "expected":
            return {"mean": plain(ratio_of_means(sample))}
        return describe(sample)

    def _differ(self, metric: Metric, row_a: int, row_b: int) -> Numbers:
        a, b = metric.sample(self._lanes, row_a), metric.sample(self._lanes, row_b)
        gap = paired_difference(a, b)
        numbers = [ratio_of_means(a), ratio_of_means(b), gap.mean]
        if self.mode == "sampled":
            better = {"more": share_above(a, b), "less": share_above(b, a), "": math.nan}
            numbers += [*gap.interval, better[metric.wish], gap.variance_reduction]
        return {name: plain(x) for name, x in zip(DIFFERENCES, numbers, strict=False)}

    def _plan_json(self, plan: str) -> dict[str, Any]:
        entry = {"plan": plan, "metrics": self.metrics(plan), "scenes": self.scenes(plan)}
        entry["cells"] = self.cells(plan)
        entry |= self.parts(plan)
        if self.chance_only is not None:
            entry["chance_only"] = self.chance_only.metrics(plan)
        return entry

    def _long(self) -> Iterator[tuple[str, dict[str, str], str, Numbers]]:
        """Plan, names of a part of it by their kind (none for the whole plan), metric and its numbers."""
        for plan in self.plans:
            for part, figures in self._parts_of(plan):
                for name, numbers in figures.items():
                    yield plan, part, name, numbers

    def _parts_of(self, plan: str) -> Iterator[tuple[dict[str, str], dict[str, Numbers]]]:
        """The whole plan, its scenes, their phases and all other parts, with their figures."""
        yield {}, self.metrics(plan)
        for scene, figures in self.scenes(plan).items():
            yield {"scenes": scene}, figures
        for scene, phases in self.cells(plan).items():
            for phase, figures in phases.items():
                yield {"scenes": scene, "cells": phase}, figures
        for kind, parts in self.parts(plan).items():
            for name, figures in parts.items():
                yield {kind: name}, figures


def asked_outcomes(given: object) -> Outcomes:
    """Outcomes, not the answer that holds them."""
    words = "outcomes are those of simulate or frontier.outcomes"
    return asked(Outcomes, given, words)


def _find(name: str, known: dict[str, Named], what: str) -> Named:
    """The entry of this name, or an error that offers the nearest one."""
    if not isinstance(name, str):
        raise UserError(f"a {what} is given by its name, as text (got {type(name).__name__})")
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    raise UserError(f"no {what} is called {name!r}; {hint}")
