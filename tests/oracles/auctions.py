"""Auctions by brute force: explicit bidders, and simulated opportunities against random rivals.

Written for reading. Nothing here knows the closed forms of `simulator/market/auction.py`.
"""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri_exp

Array = NDArray[np.float64]


# --- explicit bidders ---------------------------------------------------------------------------


class Result(NamedTuple):
    """Who stands where, and what each pays for all clicks of the place (first place: 1 click)."""

    winners: list[int]
    payments: list[float]


def run_auction(
    bids: list[float],
    qualities: list[float],
    decays: list[float],
    mechanism: str,
    reserve: float = 0.0,
) -> Result:
    """One auction. The score is bid x quality; a score is paid divided by the winner's quality.

    `decays` are the clicks of the places against the first; second_price sells the first only. The
    reserve is a score.

    >>> run_auction([3, 5, 4], [1, 1, 1], [1.0], "second_price")
    Result(winners=[1], payments=[4.0])
    >>> run_auction([3, 5, 4], [1, 1, 1], [1.0, 0.5], "gsp")
    Result(winners=[1, 2], payments=[4.0, 1.5])
    >>> run_auction([3, 5, 4], [1, 1, 1], [1.0, 0.5], "vcg")
    Result(winners=[1, 2], payments=[3.5, 1.5])
    """
    scores = [bid * quality for bid, quality in zip(bids, qualities, strict=True)]
    entered = [i for i in range(len(bids)) if scores[i] >= reserve]
    ranked = sorted(entered, key=lambda i: -scores[i])
    places = decays[:1] if mechanism == "second_price" else decays
    winners = ranked[: len(places)]
    payments = []
    for place, winner in enumerate(winners):
        if mechanism == "first_price":
            paid = places[place] * scores[winner]
        elif mechanism == "vcg":
            others = [scores[i] for i in entered if i != winner]
            without_me = welfare(others, places, reserve)
            with_me = welfare([scores[i] for i in entered], places, reserve)
            paid = without_me - (with_me - places[place] * scores[winner])
        else:
            below = [scores[i] for i in ranked[place + 1 :]]
            paid = places[place] * max([reserve, *below[:1]])
        payments.append(paid / qualities[winner])
    return Result(winners, payments)


def welfare(scores: list[float], places: list[float], reserve: float) -> float:
    """Greatest total of scores times clicks; the seller keeps a place for its reserve."""
    takers = sorted([*scores, *[reserve] * len(places)], reverse=True)
    return sum(score * clicks for score, clicks in zip(takers, places, strict=False))


# --- many opportunities -------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One placement: own score at the average prediction, rivals, rules."""

    ln_score: float
    mu: float
    sigma: float
    tau: float = 0.0
    quality: float = 1.0
    reserve: float = 0.0
    decays: tuple[float, ...] = (1.0,)
    mechanism: str = "second_price"


class Estimate(NamedTuple):
    """A mean with its standard error."""

    mean: float
    error: float

    def far(self, value: float) -> float:
        """Distance from a value in standard errors."""
        return abs(value - self.mean) / max(self.error, 1e-300)


def draw_rivals(rng: np.random.Generator, setting: Setting, count: int) -> Array:
    """The highest rival scores of each opportunity, falling, [opportunity, place].

    The number of rivals above y is Poisson with mean -ln Phi((ln y - mu) / sigma): the k-th highest
    stands where that mean equals the k-th arrival of a Poisson process with rate one. The highest
    alone is lognormal.
    """
    arrivals = rng.exponential(size=(count, len(setting.decays))).cumsum(axis=1)
    return np.exp(setting.mu + setting.sigma * ndtri_exp(-arrivals))


def draw_own(rng: np.random.Generator, setting: Setting, count: int) -> tuple[Array, Array]:
    """Own scores, and the values of the impressions against the average value."""
    prediction = setting.tau * rng.standard_normal(count)
    return np.exp(setting.ln_score + prediction), np.exp(prediction - setting.tau**2 / 2)


def simulate_one_place(
    rng: np.random.Generator, setting: Setting, count: int
) -> dict[str, Estimate]:
    """Win rate, value won and payment [CNY] per opportunity, first or second price."""
    score, value = draw_own(rng, setting, count)
    rival = draw_rivals(rng, setting, count)[:, 0]
    won = (score > rival) & (score >= setting.reserve)
    price = score if setting.mechanism == "first_price" else np.maximum(rival, setting.reserve)
    paid = won * price / (1000 * setting.quality)
    return {"win": estimate(won), "value": estimate(won * value), "cost": estimate(paid)}


def simulate_places(rng: np.random.Generator, setting: Setting, count: int) -> dict[str, Estimate]:
    """Impressions, clicks and payment [CNY] per opportunity, one auction after the other."""
    scores, _ = draw_own(rng, setting, count)
    rivals = draw_rivals(rng, setting, count)
    shown, clicked, paid = np.zeros((3, count))
    for i in range(count):
        bids = [scores[i] / setting.quality, *rivals[i].tolist()]
        qualities = [setting.quality] + [1.0] * len(rivals[i])
        decays = list(setting.decays)
        result = run_auction(bids, qualities, decays, setting.mechanism, setting.reserve)
        if 0 in result.winners:
            place = result.winners.index(0)
            shown[i], clicked[i] = 1.0, setting.decays[place]
            paid[i] = result.payments[place] / 1000
    return {"win": estimate(shown), "clicks": estimate(clicked), "cost": estimate(paid)}


def estimate(sample: NDArray) -> Estimate:
    """The mean of a sample and its standard error."""
    return Estimate(float(sample.mean()), float(sample.std()) / sqrt(len(sample)))
