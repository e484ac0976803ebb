"""The best of several after a test: what choosing by a noisy measure is worth.

symbol   meaning                                                       unit    shape
n        candidates: pictures of a scene, variants of a product        number
sd       spread of their true values: sd of the logarithm              1
I        information of the test: 1 / variance of a measured log       1       [.., replication]
rho      correlation of measured and true log: sqrt(sd^2 I / (sd^2 I + 1))
a        part of the spread that the test tells, sd rho                1       [.., replication]
M        greatest of n standard normals
F        value of the chosen one; the mean candidate is 1              x       [.., lane]
gain     mean of F                                                     x       [.., replication]

True values are exp(sd Z - sd^2 / 2). Given its measured log, in units of its spread, the true log of the chosen
one is a M + b xi - sd^2 / 2 with b^2 = sd^2 - a^2 (normal regression), so that E[F] = E[exp(a M)] exp(-a^2 / 2)
(docs/model.md section 10).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from simulator.market.calendar import seconds_between
from simulator.market.columns import column, odds, prob
from simulator.market.draws import Draws
from simulator.market.layout import Layout
from simulator.scenario.scenes import Scene
from simulator.scenario.schema import Scenario

NODES = np.arange(-90, 91) / 10  # trapezoids of an analytic function: exact to 14 digits
WEIGHTS = np.exp(-(NODES**2) / 2) / (10 * math.sqrt(2 * math.pi))


def told(sd: np.ndarray, information: np.ndarray) -> np.ndarray:
    """How much of a spread a test tells: a = sd rho.

    >>> float(told(np.array(0.3), np.array(0.0))), float(told(np.array(0.6), np.array(1e300)))
    (0.0, 0.6)
    """
    heard = np.square(sd) * information
    return np.asarray(sd * np.sqrt(heard / (heard + 1)))


def mean_of_best(a: np.ndarray, count: np.ndarray) -> np.ndarray:
    """E[exp(a M)] exp(-a^2 / 2) = n E[Phi(Z + a)^(n-1)], Z normal: the mean of the best of n.

    >>> a = np.array([0.0, 0.5])
    >>> mean_of_best(a, 1).round(12).tolist(), mean_of_best(a, 2).round(6).tolist()
    ([1.0, 1.0], [1.0, 1.276326])
    >>> float((2 * ndtr(0.5 / math.sqrt(2))).round(6))
    1.276326
    """
    shape = np.broadcast_shapes(np.shape(a), np.shape(count))
    nodes, weights = (x.reshape(-1, *(1,) * len(shape)) for x in (NODES, WEIGHTS))
    each = np.power(ndtr(nodes + a), np.subtract(count, 1.0))
    best = count * np.add.reduce(weights * each, axis=0)
    return np.where(np.greater(count, 1) & np.greater(a, 0), best, 1.0)  # no choice is one exactly


@dataclass(frozen=True)
class Pictures:
    """Creatives of the scenes: [scene, replication]; a scene without a choice has one, as expected."""

    count: np.ndarray
    """n: [scene, 1]."""
    told: np.ndarray
    """a"""
    untold: np.ndarray
    """b"""
    gain: np.ndarray
    """Click odds of the chosen picture against the mean one, on average [x]."""

    @classmethod
    def tested(cls, count: np.ndarray, sd: np.ndarray, information: np.ndarray) -> "Pictures":
        """Pictures [scene, 1] of a spread [scene, 1], each tested with some information."""
        a = told(sd, information)
        untold = np.sqrt(np.maximum(np.square(sd) - np.square(a), 0.0))
        return cls(count, a, untold, mean_of_best(a, count))

    def luck(self, draws: Draws) -> np.ndarray:
        """F / gain of a replication, the same for all plans: [scene, lane]."""
        scenes = len(self.count)
        best = greatest(draws.normal("picture_best", scenes), self.count)
        rest = draws.normal("picture_rest", scenes)
        spread = np.square(self.told) + np.square(self.untold)
        return np.asarray(np.exp(self.told * best + self.untold * rest - spread / 2) / self.gain)


def make_pictures(layout: Layout) -> Pictures | None:
    """The choice among the creatives of each scene; None where no scene has one."""
    made = [scene.creatives for scene in layout.scenes]
    if not any(made):
        return None
    return Pictures.tested(
        count=column([c.count if c else 1 for c in made]),
        sd=column([c.sd if c else 0.0 for c in made]),
        information=column([_seen(layout.scenario, scene) for scene in layout.scenes]),
    )


def _seen(scenario: Scenario, scene: Scene) -> Any:
    """Information of the test of one creative: impressions x p (1 - p), p the mean of its slots."""
    if scene.creatives is None:
        return 0.0
    clicks = [prob(odds(scenario.slots[k].ctr) * scene.creative) for k in scene.slots]
    mean = sum(clicks) / len(clicks)
    return scene.creatives.test_impressions * mean * (1 - mean)


def greatest(z: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The greatest of n standard normals, by one normal: Phi(M) = Phi(z)^(1/n)."""
    return np.asarray(-ndtri(-np.expm1(log_ndtr(z) / count)))


@dataclass(frozen=True)
class Trials:
    """Product tests: scenes that show variants of a product evenly until one is chosen: [trial]."""

    names: tuple[str, ...]
    """Of the scenes."""
    scene: np.ndarray
    product: np.ndarray
    variants: np.ndarray
    """k, whole."""
    sd: np.ndarray
    decide_at: np.ndarray
    """[s] since the start."""

    @property
    def cells(self) -> list[str]:
        """Every variant by name."""
        counts = zip(self.names, self.variants, strict=True)
        return [f"{name}/{n}" for name, count in counts for n in range(int(count))]


def make_trials(layout: Layout) -> Trials | None:
    """The product tests of a scenario, if there are any."""
    s, origin = layout.scenario, layout.steps.shape.origin
    tests = {name: i.explore for name, i in s.scenes.items() if i.explore}
    if not tests:
        return None
    products, rules = list(s.products), list(tests.values())
    return Trials(
        names=tuple(tests), scene=np.array([layout.scene_at[name] for name in tests]),
        product=np.array([products.index(t.product) for t in rules]),
        variants=np.array([t.variants for t in rules]), sd=np.array([t.sd for t in rules]),
        decide_at=np.array([seconds_between(origin, t.moment(s.calendar)) for t in rules]),
    )  # fmt: skip


class Trial:
    """One product test in a chunk of lanes: what was seen, and what the chosen variant is worth."""

    def __init__(self, rules: Trials, number: int, lanes: int) -> None:
        self.scene, self.product = int(rules.scene[number]), int(rules.product[number])
        self.variants, self.sd = int(rules.variants[number]), float(rules.sd[number])
        self.orders = np.zeros(lanes)
        """Orders of all variants together that the scene has bought so far, mean: [lane]."""
        self.open = True

    @property
    def information(self) -> np.ndarray:
        """1 / variance of a variant's measured log rate: its orders [lane]."""
        return self.orders / self.variants

    def before(self) -> np.ndarray:
        """Power of the product while all variants are shown [lane]."""
        return np.ones_like(self.orders)

    def chosen(self) -> np.ndarray:
        """Power of the product with the variant that measured best, on average [lane]."""
        a = told(np.array(self.sd), self.information)
        return mean_of_best(a, np.array(float(self.variants)))


class DrawnTrial(Trial):
    """The same with the true values and the errors of measurement of every replication."""

    def __init__(self, rules: Trials, number: int, true: np.ndarray, error: np.ndarray) -> None:
        """True and error are normals of each variant [variant, lane], the same for all plans."""
        super().__init__(rules, number, true.shape[1])
        self.true, self.error = true, error
        self.values = np.exp(self.sd * true - self.sd * self.sd / 2)

    def before(self) -> np.ndarray:
        """Mean of the variants [lane]."""
        return np.asarray(np.add.reduce(self.values, axis=0) / self.variants)

    def chosen(self) -> np.ndarray:
        """Value of the variant whose measured log is greatest [lane]."""
        measured = self.sd * np.sqrt(self.information) * self.true + self.error
        best = np.argmax(measured, axis=0)
        return np.take_along_axis(self.values, best[None], axis=0)[0]


def start_trials(rules: Trials, draws: Draws, lanes: int, *, sampled: bool) -> list[Trial]:
    """All product tests at the first second."""
    if not sampled:
        return [Trial(rules, n, lanes) for n in range(len(rules.names))]
    cells, edges = int(rules.variants.sum()), np.cumsum(rules.variants)[:-1]
    true, error = (
        np.split(draws.normal(purpose, cells), edges) for purpose in ("variant", "variant_measured")
    )
    return [DrawnTrial(rules, n, *pair) for n, pair in enumerate(zip(true, error, strict=True))]
