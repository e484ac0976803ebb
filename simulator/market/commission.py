"""Commissioned media 淘宝客: partners bring visits and are paid by what these buy (docs/model.md section 6).

symbol   meaning                                                unit              shape
v        visits of a partner per person in the step             1                 [partner, band, segment, lane]
p        probability that a visit of the reference mix buys     1                 [partner, segment, lane]
c        commission, share of gmv                               1                 [partner, lane]
theta    part of its visits that a partner brings under its cap 1                 [partner, lane]

Partners stand outside the plan's cells. A partner whose cap comes near slows down: the commission of a step
is foreseen from above (no competing moves, no short stock), so the cap is approached and never passed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.market.audience import ratio
from simulator.market.calendar import RUNOFF, Steps
from simulator.market.columns import column, odds, prob, stack
from simulator.market.free import free_rates
from simulator.market.layout import Layout, follow_sale
from simulator.market.people import WHO
from simulator.scenario.commissions import Commission
from simulator.scenario.people import readiness_of

FEN = 100  # fen in a CNY


@dataclass(frozen=True)
class Partners:
    """Commissioned media: [partner, replication] unless said otherwise."""

    visits: np.ndarray
    """Per person of a band on a day of a phase: [phase, partner, band, segment, replication]."""
    buy_odds: np.ndarray
    """[partner, segment, replication] of odds without product and phase."""
    touch: np.ndarray
    replaces: np.ndarray
    """Free visits that a visit replaces."""
    rate: np.ndarray
    """Commission, share of gmv."""
    mix: np.ndarray
    """Weights of the products: [partner, product, replication]."""
    fee: np.ndarray
    """[partner], like cap [CNY], infinite where there is none."""
    cap: np.ndarray
    start: np.ndarray
    """Step at which the fee is paid: [partner]."""


@dataclass
class Guests:
    """What partners bring in a step: [band, segment, lane] unless said otherwise."""

    touches: np.ndarray
    """Per person, like buys."""
    buys: np.ndarray
    replaced: np.ndarray
    """Free visits that theirs would replace."""
    visits: np.ndarray
    """[partner, lane]"""
    touching: np.ndarray
    """The same by the baskets they fill, each as strong as its source touches."""
    buying: np.ndarray
    """Buying visits, by how ready their visitors are: [partner, band, segment, lane]."""


@dataclass
class Meeting:
    """Whom and what partners find in a step."""

    people: np.ndarray
    """[band, segment, lane]"""
    deciding: np.ndarray
    """Those people, each as ready to buy as their stage is; likewise."""
    filling: np.ndarray
    """Baskets that they fill per touch; likewise."""
    browse: float
    """Visits of the step against a normal day."""
    ready: float
    """Readiness of its visitors."""
    level: np.ndarray
    """Odds of buying of the phase and the run: [1, lane]."""
    kappa: np.ndarray
    """Odds of buying of what each partner shows: [partner, segment, lane]."""
    order: np.ndarray
    """Mean gmv of an order on its visits that will be kept, at order value 1: [partner, segment, lane]."""
    order_value: np.ndarray
    """[segment, lane]"""


class Partnership:
    """The partners of one chunk of lanes."""

    def __init__(self, partners: Partners, running: np.ndarray, *, whole: bool) -> None:
        """`running` [partner, lane]: 1 where the plan has it; whole: money in whole fen."""
        self.partners, self.running, self.whole = partners, running, whole
        self.cap = (
            np.floor(partners.cap * FEN + 1e-6)[:, None] if whole else partners.cap[:, None] * FEN
        )
        self.paid, self.owed, self.visits, self.gmv = np.zeros((4, *running.shape))
        """Paid and not yet paid [fen]; visits and gmv of the run: [partner, lane]."""

    @property
    def cost(self) -> np.ndarray:
        """Commission and fees so far [CNY]: [partner, lane]."""
        return np.minimum(self.paid / FEN, self.partners.cap[:, None])  # fen and back may round up

    def bring(self, phase: int, met: Meeting) -> Guests:
        """Visits of a step, fewer where the cap comes near."""
        here = self.partners
        visits = here.visits[phase] * (self.running[:, None, None] * met.browse)
        buy = prob(here.buy_odds * (met.kappa * met.level))
        foreseen = visits * met.deciding * (buy * met.order * met.order_value)[:, None]
        due = foreseen.sum(axis=(1, 2)) * (here.rate * (met.ready * FEN))
        theta = np.minimum(1.0, ratio(np.maximum(self.cap - self.paid, 0.0), due))
        theta = np.where(here.rate > 0, theta, 1.0)  # a fee alone costs no more, whoever comes
        visits *= theta[:, None, None]
        buys = visits * buy[:, None]
        came = visits * met.people
        self.visits += (total := came.sum(axis=(1, 2)))
        each = visits * met.filling
        filling = np.stack([each[:, bands].sum(axis=1) for bands in WHO], axis=1)
        return Guests(
            (visits * here.touch[:, None, None]).sum(axis=0), buys.sum(axis=0),
            (came * here.replaces[:, None, None]).sum(axis=0),
            total, filling * here.touch[:, None, None], buys * met.deciding,
        )  # fmt: skip

    def pay_fees(self, step: int) -> None:
        """Fixed fees fall due when a partner starts."""
        fee = np.where(self.partners.start == step, self.partners.fee, 0.0)[:, None]
        if fee.any():
            self._pay(fee * self.running * FEN)

    def settle(self, gmv: np.ndarray, part: np.ndarray, kept: np.ndarray) -> None:
        """Pay for a step's sales: gmv [product, lane], part of it on a partner's visits
        [partner, product, lane], share of it that will not be refunded [product, lane].
        """
        own = gmv * part
        self.gmv += own.sum(axis=1)
        self._pay((own * kept).sum(axis=1) * (self.partners.rate * FEN))

    def _pay(self, due: np.ndarray) -> None:
        self.owed = np.minimum(self.owed + due, self.cap - self.paid)
        now = np.floor(self.owed + 1e-6) if self.whole else self.owed
        self.paid += now
        self.owed = np.maximum(self.owed - now, 0.0)


def make_partners(layout: Layout) -> Partners:
    """The commissioned media of a scenario."""
    scenario, steps = layout.scenario, layout.steps
    partners = list(scenario.commissions.values())
    sources = [scenario.sources[p.source] for p in partners]
    names, shape = list(scenario.products), (len(partners), len(scenario.products), 1)
    none = np.zeros((len(steps.phases), 0, 0, 0, 1))
    mix = [column([_weight(p, name) for name in names]) for p in partners]
    buys = [
        column([odds(p.cvr) * readiness_of(g) for g in scenario.segments.values()])
        for p in partners
    ]
    return Partners(
        visits=_visits(layout) if partners else none,
        buy_odds=stack(buys) if partners else np.zeros((0, len(scenario.segments), 1)),
        touch=column([m.touch for m in sources]),
        replaces=column([m.cannibalisation for m in sources]),
        rate=column([p.rate for p in partners]),
        mix=stack([m / m.sum(axis=0) for m in mix]) if partners else np.zeros(shape),
        fee=np.array([p.fee for p in partners]),
        cap=np.array([np.inf if p.cap is None else p.cap for p in partners]),
        start=np.array([_first_step(steps, p.phases) for p in partners], dtype=np.intp),
    )  # fmt: skip


def _weight(partner: Commission, product: str) -> Any:
    return partner.products.get(product, 0.0) if partner.products else 1.0


def _visits(layout: Layout) -> np.ndarray:
    partners = list(layout.scenario.commissions.values())
    daily = free_rates(layout, [p.visits for p in partners], [p.bands for p in partners])
    return stack(
        [
            column([_traffic(layout, f, p) for p in partners])[:, None, None] * daily
            for f in layout.steps.phases
        ]
    )


def _traffic(layout: Layout, phase: str, partner: Commission) -> Any:
    """Traffic multiplier of a partner's source; 0 outside its phases."""
    if phase == RUNOFF or (partner.phases and phase not in partner.phases):
        return 0.0
    s = layout.scenario
    return follow_sale(s.calendar.phases[phase].traffic, s.sources[partner.source])


def _first_step(steps: Steps, phases: list[str]) -> int:
    chosen = [not phases or name in phases for name in steps.phases]
    return int(np.argmax(np.array(chosen)[steps.phase]))
