"""The twin's auction: docs/model.md section 5, one opportunity of one placement.

Everything is a function of the logarithm of the own score; a reserve is averaged over the
prediction by the bivariate normal distribution, here through Owen's T.
"""

import math
from dataclasses import dataclass, field

from scipy.special import owens_t, roots_legendre

MOST_RIVALS = 50.0  # cap of L
_NODES = [(float(x), float(w)) for x, w in zip(*roots_legendre(64), strict=True)]
_SQRT2 = math.sqrt(2)
_SQRT_2PI = math.sqrt(2 * math.pi)


def Phi(z: float) -> float:  # noqa: N802
    return 0.5 * math.erfc(-z / _SQRT2)


def phi(z: float) -> float:
    return math.exp(-z * z / 2) / _SQRT_2PI


def Phi2(h: float, k: float, rho: float) -> float:  # noqa: N802
    """P(a < h, b < k) of two standard normals with correlation rho (Owen 1956)."""
    root = math.sqrt(1 - rho * rho)
    h, k = h or 1e-300, k or 1e-300  # Owen's formula divides by both
    far = 0.5 if h * k < 0 or (h * k == 0 and h + k < 0) else 0.0
    above = _owen(h, (k - rho * h) / root) + _owen(k, (h - rho * k) / root)
    return max(0.0, 0.5 * (Phi(h) + Phi(k)) - far - above)


def _owen(h: float, over: float) -> float:
    return float(owens_t(h, over / h))


def Phi2_slope(h: float, k: float, rho: float, h_x: float, k_x: float) -> float:  # noqa: N802
    """d Phi2 / dx, with dh/dx and dk/dx."""
    root = math.sqrt(1 - rho * rho)
    by_h = phi(h) * Phi((k - rho * h) / root) * h_x
    return by_h + phi(k) * Phi((h - rho * k) / root) * k_x


@dataclass(frozen=True)
class Auction:
    """What is fixed about the auction of one placement."""

    mechanism: str
    sigma: float
    tau: float
    reserve: float
    decay: tuple[float, ...]  # of the positions sold; one position: (1,)
    d: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", math.hypot(self.sigma, self.tau))


@dataclass(frozen=True)
class Offer:
    """What one opportunity brings at a score."""

    win: float  # W
    value_win: float  # WV
    shown: float  # A
    clicked: float  # E
    cost: float  # C [CNY]
    cost_slope: float  # dC/dx
    value_slope: float  # dWV/dx

    @property
    def impressions(self) -> float:
        return self.win * self.shown

    @property
    def lift(self) -> float:
        """l = WV / W, 1 where W is 0."""
        return self.value_win / self.win if self.win > 0 else 1.0

    @property
    def position_factor(self) -> float:
        return self.clicked / self.shown


def offer_at(auction: Auction, log_score: float, mu: float, quality: float) -> Offer:
    """Win, payment and their slopes in x at a score."""
    alone = auction.mechanism != "vcg" or len(auction.decay) == 1 or auction.reserve == 0
    assert alone, "the twin has no vcg of several places above a reserve"
    if auction.reserve > 0:
        win, value_win, value_slope = _wins_above_reserve(auction, log_score, mu)
    else:
        d = auction.d
        z = (log_score - mu) / d
        tilted = z + auction.tau**2 / d
        win, value_win, value_slope = Phi(z), Phi(tilted), phi(tilted) / d
    if auction.mechanism == "first_price":
        paid = math.exp(log_score + auction.tau**2 / 2)
        cost, slope = paid * value_win, paid * (value_win + value_slope)
    else:
        cost, slope = _second_price(auction, log_score, mu)
    shown, clicked, pay, pay_slope = _positions(auction, (log_score - mu) / auction.d)
    scale = 1 / (1000 * quality)
    return Offer(
        win=win,
        value_win=value_win,
        shown=shown,
        clicked=clicked,
        cost=cost * pay * scale,
        cost_slope=slope * pay_slope * scale,
        value_slope=value_slope,
    )


def _second_price(auction: Auction, log_score: float, mu: float) -> tuple[float, float]:
    """E[best rival bid, won] x 1000 q and its slope in x; with a reserve that instead if higher."""
    if auction.reserve > 0:
        return _second_price_above_reserve(auction, log_score, mu)
    d, sigma = auction.d, auction.sigma
    mean, z = math.exp(mu + sigma**2 / 2), (log_score - mu) / d - sigma**2 / d
    return mean * Phi(z), mean * phi(z) / d


def _wins_above_reserve(
    auction: Auction, log_score: float, mu: float
) -> tuple[float, float, float]:
    """W, WV and the slope of WV: the score exp(ln s + tau xi) beats the best rival and reserve."""
    d, tau = auction.d, auction.tau
    z, over = (log_score - mu) / d, log_score - math.log(auction.reserve)
    if tau == 0:
        won = Phi(z), Phi(z), phi(z) / d
        return won if over >= 0 else (0.0, 0.0, 0.0)
    rho, h, k = tau / d, z + tau**2 / d, over / tau + tau
    slope = Phi2_slope(h, k, rho, 1 / d, 1 / tau)
    return Phi2(z, over / tau, rho), Phi2(h, k, rho), slope


def _second_price_above_reserve(
    auction: Auction, log_score: float, mu: float
) -> tuple[float, float]:
    """E[max(best rival, r), won] and its slope in x."""
    d, tau, sigma, reserve = auction.d, auction.tau, auction.sigma, auction.reserve
    low, over = (math.log(reserve) - mu) / sigma, log_score - math.log(reserve)
    mean, h = math.exp(mu + sigma**2 / 2), (log_score - mu) / d - sigma**2 / d
    at_reserve = reserve * Phi(low) - mean * Phi(low - sigma)
    if tau == 0:
        return (at_reserve + mean * Phi(h), mean * phi(h) / d) if over >= 0 else (0.0, 0.0)
    rho, k = tau / d, over / tau
    slope = at_reserve * phi(k) / tau + mean * Phi2_slope(h, k, rho, 1 / d, 1 / tau)
    return at_reserve * Phi(k) + mean * Phi2(h, k, rho), slope


def _positions(auction: Auction, z: float) -> tuple[float, float, float, float]:
    """A, E, factors on the payment and its slope, with L = -ln Phi(z) rivals above on average."""
    decay = auction.decay
    if len(decay) == 1:
        return 1.0, 1.0, 1.0, 1.0
    terms = _poisson_terms(_rivals_above(z), len(decay))
    clicked = sum(d * term for d, term in zip(decay, terms, strict=True))
    if auction.mechanism == "gsp":
        return sum(terms), clicked, clicked, clicked
    dropped = sum(drop * term for drop, term in zip(_drops(decay), terms, strict=True))
    return sum(terms), clicked, _vcg_factor(decay, auction.sigma, z), dropped


def _rivals_above(z: float) -> float:
    return -math.log(max(Phi(z), math.exp(-MOST_RIVALS)))


def _poisson_terms(rivals: float, positions: int) -> list[float]:
    """L^(l-1) / (l-1)! for l = 1..P."""
    terms = [1.0]
    for place in range(1, positions):
        terms.append(terms[-1] * rivals / place)
    return terms


def _drops(decay: tuple[float, ...]) -> list[float]:
    return [high - low for high, low in zip(decay, (*decay[1:], 0.0), strict=True)]


def _vcg_factor(decay: tuple[float, ...], sigma: float, z: float) -> float:
    """The vcg payment against that of one position, at the average score.

    vcg pays sum_l (d_l - d_{l+1}) E[l-th best rival, it is below s]. The l-th best rival has the
    density phi(u) L(u)^(l-1) / (l-1)! in u = (ln y - mu) / sigma, so that the factor is the mean of
    sum_l (d_l - d_{l+1}) L^(l-1) / (l-1)! over the density phi(u - sigma) below z.
    """
    drops = _drops(decay)
    peak = min(z, sigma)
    low, half = peak - 8, (z - (peak - 8)) / 2
    mass = paid = 0.0
    for node, node_weight in _NODES:
        u = low + half * (node + 1)
        weight = node_weight * math.exp(((peak - sigma) ** 2 - (u - sigma) ** 2) / 2)
        terms = _poisson_terms(_rivals_above(u), len(decay))
        mass += weight
        paid += weight * sum(drop * term for drop, term in zip(drops, terms, strict=True))
    return paid / mass
