"""From a scenario to the arrays of its world.

Numbers of the scenario are plain, or arrays [replication] where they are uncertain and have been drawn;
`column` (in world.py) stacks both, so that every formula here is written once.
"""

from datetime import datetime
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from simulator.market.audience import people_moved, ratio
from simulator.market.calendar import DAY, RUNOFF, Steps, phase_of_runoff, seconds_between
from simulator.market.choice import Pictures, Trials
from simulator.market.commission import make_partners
from simulator.market.promotion import make_offers, seller_price
from simulator.market.purse import Purses
from simulator.market.repeat import Habit
from simulator.market.rivals import ln_rivals
from simulator.market.shipping import read_depot
from simulator.market.shocks import read_shocks
from simulator.market.world import (
    BANDS_N,
    BUYABLE,
    STAGES,
    Bidding,
    Costs,
    Free,
    Goods,
    Media,
    Names,
    Packages,
    People,
    PhaseTable,
    Pushes,
    World,
    bar,
    column,
    odds,
    prob,
    stack,
)
from simulator.scenario.calendar import Phase
from simulator.scenario.chain import BAND_OF_STAGE, BANDS, CHAIN_STAGES, Moves
from simulator.scenario.goods import PRODUCT_STAGES, Product
from simulator.scenario.people import Segment, activity_of, order_value_of, readiness_of
from simulator.scenario.plan import price_factor
from simulator.scenario.scenes import Scene
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot, Package

WORTHLESS = 1e-300  # value of an impression that brings no action: never bid for
MOVES = ("engage", "enthuse", "favourite", "cart")


def build_world(scenario: Scenario, steps: Steps, original: Scenario | None = None) -> World:
    """Arrays of a scenario whose uncertain numbers are drawn (`original` has their means) or certain."""
    return _Builder(scenario, steps, original or scenario).world()


class _Builder:
    def __init__(self, scenario: Scenario, steps: Steps, original: Scenario) -> None:
        self.s, self.steps, self.original = scenario, steps, original
        self.scenes, self.slots = list(scenario.scenes.values()), list(scenario.slots.values())
        self.segments = list(scenario.segments.values())
        self.scene_at = {name: n for n, name in enumerate(scenario.scenes)}
        self.slot_at = {name: n for n, name in enumerate(scenario.slots)}
        self.segment_at = {name: n for n, name in enumerate(scenario.segments)}
        self.source_at = {name: n for n, name in enumerate(scenario.sources)}
        self.source_of_slot = [self.source_at[slot.source] for slot in self.slots]
        self.sources = list(scenario.sources.values())
        self.phase_list = [
            scenario.calendar.phases[name]
            if name != RUNOFF
            else phase_of_runoff(scenario.calendar.end)
            for name in steps.phases
        ]
        self.booked = [
            (self.slot_at[name], f"{name}.{key}", slot, package)
            for name, slot in scenario.slots.items()
            if isinstance(slot, ContractSlot)
            for key, package in slot.packages.items()
        ]
        auction = [
            (i, k)
            for k, (name, slot) in enumerate(scenario.slots.items())
            if isinstance(slot, AuctionSlot)
            for i, scene in enumerate(self.scenes)
            if name in scene.slots
        ]
        self.parts = [
            (q, self.slot_at[slot])
            for q, (_, name, _, package) in enumerate(self.booked)
            for slot in (name.split(".", maxsplit=1)[0], *package.over)
        ]
        contract = dict.fromkeys((self.scene_at[self.booked[q][3].scene], k) for q, k in self.parts)
        self.uses, self.auctions = [*auction, *contract], len(auction)
        self.pictures = self._pictures()

    def world(self) -> World:
        return World(
            scenario=self.original, names=self._names(), steps=self.steps, phases=self._phases(),
            media=self._media(), bidding=self._bidding(),
            people=self._people(), free=self._free(), pushes=self._pushes(), goods=self._goods(),
            offers=make_offers(self.s, self.steps), packages=self._packages(),
            partners=make_partners(self.s, self.steps, self._free_rates), costs=self._costs(), depot=read_depot(self.s),
            shocks=read_shocks(self.s, self.steps),
            scarcity=column([self.s.slot_price_scarcity]), pictures=self.pictures,
            trials=self._trials(),
        )  # fmt: skip

    # ------------------------------------------------------------------ axes
    def _segments_of(self, scene: Scene) -> list[int]:
        return [self.segment_at[name] for name in scene.segments] or list(range(len(self.segments)))

    def _names(self) -> Names:
        s = self.s
        places = tuple(
            "/".join((list(s.scenes)[i], list(s.slots)[k], g))
            for i, k in self.uses
            for g in s.segments
        )
        return Names(
            scenes=tuple(s.scenes), slots=tuple(s.slots), segments=tuple(s.segments),
            products=tuple(s.products), sources=tuple(s.sources), phases=self.steps.phases,
            placements=places, packages=tuple(name for _, name, *_ in self.booked),
            partners=tuple(s.commissions),
        )  # fmt: skip

    # ------------------------------------------------------------------ calendar
    def _phases(self) -> PhaseTable:
        def rows(read: Any) -> np.ndarray:
            return column([read(phase) for phase in self.phase_list])

        return PhaseTable(
            ctr=rows(lambda f: f.ctr), cart=rows(lambda f: f.cart), cvr=rows(lambda f: f.cvr),
            refund=rows(lambda f: f.refund), release=bar(rows(lambda f: f.release)),
            deposit=rows(_deposit_ratio), deposit_release=bar(rows(lambda f: f.deposit_release)),
            payment_load=rows(lambda f: f.payment_load), wallet=self._wallet(rows),
            available=1 - rows(lambda f: f.rival_booked),
            slot_traffic=self._by_phase(
                lambda f: [_power(f.traffic, self.sources[m]) for m in self.source_of_slot]
            ),
            ln_cpm=self._by_name(self._ln_cpm)[:, :, None], level=self._by_name(self._level),
        )  # fmt: skip

    def _wallet(self, rows: Any) -> np.ndarray:
        """1 - (1 - wallet share) x product over earlier phases of (1 - top-up): [phase, replication]."""
        share = column([self.s.payment.wallet_share])
        empty = np.cumprod(1 - rows(lambda f: f.wallet_topup)[:-1], axis=0)
        first = np.ones((1, empty.shape[-1]))
        topped = 1 - (1 - share) * np.concatenate([first, empty])
        return np.where(topped > share, topped, share)  # to the last bit where nobody tops up

    def _by_phase(self, read: Any) -> np.ndarray:
        return stack([column(read(phase)) for phase in self.phase_list])

    def _by_name(self, read: Any) -> np.ndarray:
        named = zip(self.steps.phases, self.phase_list, strict=True)
        return stack([column(read(name, phase)) for name, phase in named])

    def _ln_cpm(self, name: str, phase: Phase) -> list[Any]:
        """Rivals' bids in a phase: of all slots, as far as a source follows the sale, and of each slot."""
        common = [np.log(phase.cpm) * m.sale_sensitivity for m in self.sources]
        return [
            common[self.source_of_slot[k]] + np.log(self.slots[k].rival_level.get(name, 1.0))  # type: ignore[union-attr]
            for _, k in self.uses[: self.auctions]
        ]

    def _level(self, name: str, phase: Phase) -> list[Any]:
        rise, value = column(self._ln_cpm(name, phase))[:, None], self._ln_value
        level = self._mu + rise - value
        worthy = (value > np.log(WORTHLESS)).any(axis=2) & self._valid[: self.auctions]
        scene = np.array([i for i, _ in self.uses[: self.auctions]], dtype=int)[:, None]
        rows = [level[worthy & (scene == i)] for i in range(len(self.scenes))]
        return [row.mean(axis=0) if len(row) else 0.0 for row in rows]

    # ------------------------------------------------------------------ media
    @cached_property
    def _valid(self) -> np.ndarray:
        """The scene of a use may show to the segment: [use, segment]."""
        targets = [self._segments_of(scene) for scene in self.scenes]
        every = range(len(self.segments))
        return _table([[g in targets[i] for g in every] for i, _ in self.uses], len(self.segments))

    def _per_use(self, read: Any, uses: list[tuple[int, int]]) -> np.ndarray:
        """What a use is: [use, 1, replication]."""
        return column([read(self.scenes[i], self.slots[k]) for i, k in uses])[:, None]

    def _per_place(self, read: Any, uses: list[tuple[int, int]]) -> np.ndarray:
        """What a use is to a segment: [use, segment, replication]."""
        rows = [read(self.scenes[i], self.slots[k], g) for i, k in uses for g in self.segments]
        table = column(rows)
        return table.reshape(len(uses), len(self.segments), table.shape[-1])

    def _share(self) -> np.ndarray:
        weight = column([g.people * activity_of(g) for g in self.segments])
        return np.asarray(weight / weight.sum(axis=0))

    def _click_odds(self) -> np.ndarray:
        table = self._per_place(lambda i, k, g: odds(k.ctr) * g.ctr * i.creative, self.uses)
        if self.pictures is None:
            return table
        return table * self.pictures.gain[[i for i, _ in self.uses]][:, None]

    def _pictures(self) -> Pictures | None:
        """The choice among the creatives of each scene; None where no scene has one."""
        made = [scene.creatives for scene in self.scenes]
        if not any(made):
            return None
        return Pictures.tested(
            count=column([c.count if c else 1 for c in made]),
            sd=column([c.sd if c else 0.0 for c in made]),
            information=column([self._seen(scene) for scene in self.scenes]),
        )

    def _seen(self, scene: Scene) -> Any:
        """Information of the test of one creative: impressions x p (1 - p), p the mean of its slots."""
        if scene.creatives is None:
            return 0.0
        clicks = [prob(odds(self.s.slots[k].ctr) * scene.creative) for k in scene.slots]
        mean = sum(clicks) / len(clicks)
        return scene.creatives.test_impressions * mean * (1 - mean)

    def _goals(self) -> set[str]:
        """Moves by views and visits that scenes bid for."""
        asked: set[str] = {i.bid.cost_per for i in self.scenes}
        return asked & {"discover", "engage", "enthuse", "perform"}

    def _first_moves(self, goal: str, clicks: np.ndarray) -> np.ndarray:
        """People moved per impression at the start, [auction use, segment, replication]."""
        n, bands = self.auctions, self._first_bands()
        uses = self.uses[:n]
        aimed = self._affinity()[0][:, :n, None] * bands[:, None]
        if goal == "discover":
            share = ratio(aimed[0], aimed.sum(axis=0))
            return self._per_use(lambda i, k: k.viewability, uses) * share
        creative = self._creative()
        drawn = aimed if creative is None else aimed * creative[:, :n, None]
        size = column([g.people for g in self.segments])
        weight = people_moved(goal, self._start(size), self._move_table(self.s.chain.visit_moves))
        each = ratio((drawn * weight[:, None]).sum(axis=0), drawn.sum(axis=0))
        visits = clicks * self._per_use(
            lambda i, k: k.arrival * self.s.sources[k.source].touch, uses
        )
        return np.asarray(visits * each)

    def _first_click_odds(self) -> np.ndarray:
        """Click odds among the people whom each scene would reach at the start, alone."""
        creative = self._creative()
        if creative is None:
            return self._click_odds()
        aimed = self._affinity()[0][:, :, None] * self._first_bands()[:, None]
        total = aimed.sum(axis=0)
        shown = (aimed * creative[:, :, None]).sum(axis=0) / np.maximum(total, WORTHLESS)
        return np.asarray(self._click_odds() * np.where(total > 0, shown, 1.0))

    def _first_bands(self) -> np.ndarray:
        """Share of a segment's people in each band at the start: [band, segment, replication]."""
        size = column([g.people for g in self.segments])
        start, band = self._start(size) / size, np.array(BAND_OF_STAGE)
        return stack([start[band == b].sum(axis=0) for b in range(BANDS_N)])

    def _creative(self) -> np.ndarray | None:
        rows = [[self.scenes[i].creative_by_band.get(b, 1.0) for i, _ in self.uses] for b in BANDS]
        return _unless(stack([column(row) for row in rows]), 1.0)

    def _buy_odds(self) -> np.ndarray:
        return self._per_place(
            lambda i, k, g: odds(k.cvr) * readiness_of(g) * i.personalisation * _readier(i, k),
            self.uses,
        )

    @cached_property
    def _mu(self) -> np.ndarray:
        chosen, scores = self.uses[: self.auctions], self.s.rival_scores
        ln_rise = ln_rivals(self.s.rivals_above, scores.measured, scores.above, scores.below)

        def ln_bid(i: Scene, k: Any, g: Segment) -> Any:
            return np.log(k.median_cpm) + np.log(g.cpm) + ln_rise + np.log(i.selection.cpm)

        return self._per_place(ln_bid, chosen)

    def _order_price(self) -> np.ndarray:
        mix, price = self._first_mix(), column([p.price for p in self.s.products.values()])
        mean = (mix * price).sum(axis=1)  # [scene, replication]
        value = column([order_value_of(g) for g in self.segments])
        return np.asarray(mean[[i for i, _ in self.uses[: self.auctions]]][:, None] * value)

    @cached_property
    def _ln_value(self) -> np.ndarray:
        n = self.auctions
        clicks, buys = prob(self._first_click_odds()[:n]), prob(self._buy_odds())[:n]
        arrive = clicks * self._per_use(lambda i, k: k.arrival, self.uses[:n])
        prices, cart, rows = self._order_price(), self._moves("engage").cart, []
        moved = {goal: self._first_moves(goal, clicks) for goal in self._goals()}
        for j, (i, _) in enumerate(self.uses[:n]):
            bid = self.scenes[i].bid
            steps = {
                "impression": np.full_like(clicks[j], 0.001),
                "click": clicks[j],
                "cart": arrive[j] * cart,
            } | {goal: people[j] for goal, people in moved.items()}
            order, roi = arrive[j] * buys[j], bid.mode == "roi_control"
            value = order * prices[j] if roi else steps.get(bid.cost_per, order)
            rows.append(np.log(np.maximum(1000.0 * value, WORTHLESS)))
        return stack(rows) if rows else np.zeros((0, len(self.segments), 1))

    def _media(self) -> Media:
        n, uses, share = self.auctions, self.uses, self._share()
        chosen, booked = uses[:n], uses[n:]
        scene, slot = (np.array(x, dtype=np.intp) for x in zip(*uses, strict=True))
        shared = [
            self.slot_at[s.shares] for s in self.slots if isinstance(s, ContractSlot) and s.shares
        ]
        return Media(
            scene=scene, slot=slot, auctions=n, meetings=self._meetings(), valid=self._valid,
            opportunities=self._per_use(lambda i, k: k.opportunities, uses) * share,
            affinity=self._affinity(), creative=self._creative(),
            precision=column([self.slots[k].precision for _, k in booked]),  # type: ignore[union-attr]
            mu=self._mu, sigma=self._per_place(lambda i, k, g: k.sigma, chosen),
            tau=self._per_place(lambda i, k, g: _flat(k) * i.prediction, chosen), ln_value=self._ln_value,
            reserve=self._per_place(lambda i, k, g: k.reserve_cpm, chosen),
            mechanism=tuple(self.slots[k].mechanism for _, k in chosen),  # type: ignore[union-attr]
            decay=tuple(_positions(self.slots[k]) for _, k in chosen),
            click_odds=self._click_odds(), buy_odds=self._buy_odds(),
            arrival=self._per_use(lambda i, k: k.arrival, uses),
            viewability=self._per_use(lambda i, k: k.viewability, uses),
            touch=self._per_use(lambda i, k: self.s.sources[k.source].touch, uses),
            replaces=self._per_use(lambda i, k: self.s.sources[k.source].cannibalisation, uses),
            segment_share=share, package_share=self._package_share(share),
            slot_opportunities=column([slot.opportunities for slot in self.slots]),
            shared_slots=np.array(sorted(set(shared)), dtype=np.intp),
        )  # fmt: skip

    def _meetings(self) -> tuple[slice, ...]:
        slots = [k for _, k in self.uses[: self.auctions]]
        ends = [0, *accumulate(slots.count(k) for k in dict.fromkeys(slots))]
        return tuple(slice(first, last) for first, last in pairwise(ends))

    def _affinity(self) -> np.ndarray:
        scenes = [self.scenes[i] for i, _ in self.uses]
        rows = [column([i.audience.get(b, 0.0) * i.selection.pool for i in scenes]) for b in BANDS]
        table = stack(rows)
        return np.array([table, table * table])

    def _package_share(self, share: np.ndarray) -> np.ndarray:
        """H within the segments of the owning scene: [contract use, segment, replication]."""
        rows = np.where(self._valid[self.auctions :, :, None], share, 0.0)
        return np.asarray(rows / rows.sum(axis=1, keepdims=True))

    def _bidding(self) -> Bidding:
        bids = [scene.bid for scene in self.scenes]
        mode = np.array([bid.mode for bid in bids])
        quick = np.array([scene.pacing == "quick" for scene in self.scenes])
        active = [
            [not scene.phases or name in scene.phases for scene in self.scenes]
            for name in self.steps.phases
        ]
        active[-1] = [False] * len(self.scenes)
        return Bidding(
            target=column([1.0 if bid.target is None else bid.target for bid in bids]),
            custom=mode == "custom_bid", cost=mode == "cost_control", roi=mode == "roi_control",
            quick=quick, held=(mode == "custom_bid") | (quick & (mode == "cost_control")),
            action=np.array([BUYABLE.index(_action(bid)) for bid in bids]), purses=self._purses(),
            active=np.array(active),
            fixed_cost=np.array([scene.running_cost for scene in self.scenes]),
            boost=column([scene.organic_boost for scene in self.scenes]),
            counts=np.array([bid.counts_organic for bid in bids]),
        )  # fmt: skip

    def _purses(self) -> Purses:
        kinds = np.array([[scene.budget_kind] for scene in self.scenes])
        caps = [[np.inf if i.daily_cap is None else i.daily_cap] for i in self.scenes]
        return Purses(daily=kinds == "daily", cycle=kinds == "cycle", cap=np.array(caps))

    # ------------------------------------------------------------------ people
    def _moves(self, stage: str) -> Moves:
        return self.s.chain.visit_moves.get(stage, Moves())

    def _move_table(self, table: dict[str, Moves]) -> np.ndarray:
        rows = [
            column([getattr(table.get(stage, Moves()), move) for stage in CHAIN_STAGES])
            for move in MOVES
        ]
        return stack(rows) * _ALLOWED[:, :, None]

    def _people(self) -> People:
        chain = self.s.chain
        size = column([g.people for g in self.segments])
        propensity = column([chain.buy_propensity.get(stage, 0.0) for stage in CHAIN_STAGES])
        mix = column([chain.reference_mix.get(stage, 0.0) for stage in CHAIN_STAGES])
        forget = [chain.discover_days] * 2 + [chain.enthuse_days] + [chain.basket_days] * 2
        return People(
            size=size, start=self._start(size), propensity=propensity / (mix * propensity).sum(axis=0),
            order_value=column([order_value_of(g) for g in self.segments]),
            buy_odds=column([readiness_of(g) for g in self.segments]),
            new_taste=_unless(column([g.new_product_affinity for g in self.segments]) - 1, 0.0),
            refund_odds=_unless(column([g.refund for g in self.segments])[None], 1.0),
            return_cost=_unless(self._return_cost(), 0.0),
            order_delay=_unless(np.array([[g.order_delay_days] for g in self.segments]), 0.0),
            visit_moves=self._move_table(chain.visit_moves),
            base_moves=bar(self._move_table(chain.base_moves)) / 30,
            cart_again=column([self._moves("customers").cart]), forget=column(forget),
            favourite_release=column([chain.favourite_release]),
            keen_rate=bar(column([chain.keen_per_year])) / 365,
            habit=self._habit(), lapse_days=chain.lapse_days, window_days=chain.new_customer_window_days,
            frequency_shape=column([chain.frequency_shape]),
            reach_window=column([chain.reach_window_days]), fatigue=column([chain.fatigue]),
            fatigue_half_life=column([chain.fatigue_half_life_days]),
        )  # fmt: skip

    def _habit(self) -> Habit | None:
        repeat = self.s.chain.repeat
        if repeat is None:
            return None
        month = 365 / 12
        return Habit(
            repeats=column([repeat.rate_365]), fade=column([repeat.tau_months * month]),
            event=column([repeat.event_factor]),
        )  # fmt: skip

    def _return_cost(self) -> np.ndarray:
        """What a refund costs beyond the usual handling: [product, segment, replication]."""
        c = self.s.commerce
        rows = [
            -c.refund_handling - c.depreciation * p.price * (1 - p.margin) * order_value_of(g)
            if g.returns_borne_by == "platform"
            else (c.refund_handling if g.return_freight is None else g.return_freight) - c.refund_handling
            for p in self.s.products.values()
            for g in self.segments
        ]  # fmt: skip
        table = column(rows)
        return table.reshape(-1, len(self.segments), table.shape[-1])

    def _start(self, size: np.ndarray) -> np.ndarray:
        def share(segment: Any, stage: str) -> Any:
            extra = segment.start.get("perform", 0.0) if stage == "cart" else 0.0
            return segment.start.get(stage, 0.0) + extra

        rows = [column([share(g, stage) for g in self.segments]) for stage in CHAIN_STAGES]
        table = stack(rows)
        table[1:] /= np.maximum(table[1:].sum(axis=0), 1.0)
        table[0] = 1 - table[1:].sum(axis=0)
        return np.asarray(table * size)

    def _free_rates(self, visits: list[Any], bands: list[dict[str, Any]]) -> np.ndarray:
        """Visits per person and normal day that bring so many from people as they stand at the start:
        [row, band, segment, replication].
        """
        activity = column([activity_of(g) for g in self.segments])
        start = self._start(column([g.people for g in self.segments]))
        rates = []
        for wanted, weights in zip(visits, bands, strict=True):
            weight = column([weights.get(b, 0.0) for b in BANDS])
            shape = weight[:, None] * activity  # [band, segment, replication]
            people = stack(
                [start[np.array(BAND_OF_STAGE) == b].sum(axis=0) for b in range(BANDS_N)]
            )
            total = (people * shape).sum(axis=(0, 1))
            scale = np.where(total > 0, wanted / np.maximum(total, 1e-300), 0.0)
            rates.append(shape * scale)
        return stack(rates)

    def _free(self) -> Free:
        buys = [
            column(
                [
                    odds(m.organic_cvr) * readiness_of(g) * self.s.personalisation
                    for g in self.segments
                ]
            )
            for m in self.sources
        ]
        rate = self._free_rates(
            [m.organic_visits for m in self.sources], [m.organic_bands for m in self.sources]
        )
        touch = column([m.touch for m in self.sources])
        traffic = self._by_phase(lambda f: [_power(f.traffic, m) for m in self.sources])
        by_phase = traffic[:, :, None, None] * rate
        return Free(
            rate=rate, by_phase=by_phase, visits=by_phase.sum(axis=1),
            touches=(by_phase * touch[:, None, None]).sum(axis=1), buy_odds=stack(buys), touch=touch,
            halo=column([self.s.life_cycle.halo]),
            halo_odds=column([odds(self.s.life_cycle.halo_cvr) * readiness_of(g) for g in self.segments]),
        )  # fmt: skip

    def _pushes(self) -> Pushes:
        pushes, first = list(self.s.pushes.values()), self.steps.shape.origin.date()
        chosen = [{self.segment_at[g] for g in p.segments or self.s.segments} for p in pushes]
        address = column([
            p.audience.get(band, 0.0) * (g in some)
            for p, some in zip(pushes, chosen, strict=True)
            for band in BANDS
            for g in range(len(self.segments))
        ])  # fmt: skip
        messages = address.reshape(len(pushes), BANDS_N, len(self.segments), address.shape[-1])
        answered = column([p.reach * p.ctr for p in pushes])[:, None, None]
        return Pushes(
            source=np.array([self.source_at[p.source] for p in pushes], dtype=np.intp),
            messages=messages, visits=messages * answered,
            touch=column([self.s.sources[p.source].touch for p in pushes]),
            cost=column([p.cost for p in pushes]),
            days=tuple(tuple((day.date() - first).days for day in p.days) for p in pushes),
        )  # fmt: skip

    # ------------------------------------------------------------------ goods
    def _mix(self) -> np.ndarray:
        names = list(self.s.products)
        rows = [
            column([i.products.get(p, 0.0) if i.products else 1.0 for p in names])
            for i in self.scenes
        ]
        table = stack(rows)
        return np.asarray(table / table.sum(axis=1, keepdims=True))

    def _stage_affinity(self) -> np.ndarray | None:
        rows = [
            column([i.product_stages.get(x, 0.0) if i.product_stages else 1.0 for x in PRODUCT_STAGES])
            for i in self.scenes
        ]  # fmt: skip
        return _unless(stack(rows), 1.0)

    def _first_mix(self) -> np.ndarray:
        """Weights of products by their stage at the start."""
        affinity, mix = self._stage_affinity(), self._mix()
        if affinity is None:
            return mix
        stage = [PRODUCT_STAGES.index(p.product_stage) for p in self.s.products.values()]
        suited = mix * affinity[:, stage]
        total = suited.sum(axis=1, keepdims=True)
        return np.asarray(np.where(total > 0, suited / np.maximum(total, WORTHLESS), mix))

    def _goods(self) -> Goods:
        goods, steps = list(self.s.products.values()), self.steps
        origin = steps.shape.origin
        price = column([p.price for p in goods])
        organic = column([p.organic for p in goods])
        restocks = sorted(
            (round((r.at - origin).total_seconds()), n, int(r.units))
            for n, p in enumerate(goods)
            for r in p.restocks
        )
        launch = [
            0 if p.launch is None else round((p.launch - origin).total_seconds()) for p in goods
        ]
        return Goods(
            price=seller_price(self.s, steps.phases), list_price=price,
            unit_cost=column([p.price * (1 - p.margin) for p in goods]),
            salvage=column([0.0 if p.salvage is None else p.salvage for p in goods]),
            clearing=np.array([p.salvage is not None for p in goods]),
            refund_odds=odds(column([p.refund for p in goods])),
            power=column([self._power_of(p) for p in goods]),
            stock=np.array([float(p.stock) for p in goods]),
            pool=np.array([_pool_units(p) for p in goods]), pool_cost=self._pool_cost(),
            restocks=tuple(restocks),
            presale=np.array([p.presale for p in goods]),
            deposit=column([p.price * p.deposit for p in goods]),
            organic=organic / organic.sum(axis=0), mix=self._mix(), stage_affinity=self._stage_affinity(),
            stage=np.array([[p.product_stage == x for x in PRODUCT_STAGES] for p in goods]),
            launch=np.array(launch), items=np.array([float(p.items) for p in goods]),
            score=column([self.s.service_score]),
        )  # fmt: skip

    def _trials(self) -> Trials | None:
        tests = {name: i.explore for name, i in self.s.scenes.items() if i.explore}
        if not tests:
            return None
        origin, products = self.steps.shape.origin, list(self.s.products)
        rules = list(tests.values())
        return Trials(
            names=tuple(tests), scene=np.array([self.scene_at[name] for name in tests]),
            product=np.array([products.index(t.product) for t in rules]),
            variants=np.array([t.variants for t in rules]), sd=np.array([t.sd for t in rules]),
            decide_at=np.array([seconds_between(origin, t.moment(self.s.calendar)) for t in rules]),
        )  # fmt: skip

    def _power_of(self, product: Product) -> Any:
        """Product power of a generation: power x (1 - decay)^(generation - 1)."""
        kept = 1 - np.asarray(self.s.life_cycle.generation_decay, dtype=float)
        return product.product_power * kept ** (product.generation - 1)

    def _pool_cost(self) -> np.ndarray:
        usual, pools = self.s.commerce.fulfilment, [p.pooled for p in self.s.products.values()]
        return column([
            usual if pool is None or pool.fulfilment is None else pool.fulfilment for pool in pools
        ])  # fmt: skip

    def _packages(self) -> Packages:
        phases, share, booked = self.steps.phases, self._share(), self.booked
        scenes = [self.scene_at[p.scene] for _, _, _, p in booked]
        ends = {f: int(self.steps.end[self.steps.phase == n].max()) for n, f in enumerate(phases)}
        close = np.array([max(ends[f] for f in p.phases) for *_, p in booked], dtype=np.int64)
        late = [round(slot.make_good_days * DAY) * _owes(slot) for _, _, slot, _ in booked]
        segments = [self._segments_of(self.scenes[i]) for i in scenes]
        of, slots = np.array(self.parts, dtype=np.intp).reshape(-1, 2).T
        cpm = column([self._price(slot, p) for _, _, slot, p in booked])
        impressions = np.array([float(p.impressions) for *_, p in booked])
        return Packages(
            of=of, slot=slots, inventory=self._inventory(slots), scene=np.array(scenes, dtype=np.intp),
            impressions=impressions, cpm=cpm,
            signed=np.array([p.signed for *_, p in booked], dtype=bool),
            window=_table([[f in p.phases for f in phases] for *_, p in booked], len(phases)),
            close=close, make_good_close=close + np.array(late, dtype=np.int64),
            make_good=column([slot.make_good * _owes(slot) for _, _, slot, _ in booked]),
            deposit=np.array([slot.deposit for _, _, slot, _ in booked], dtype=float),
            booked_at=np.array([self._second(p.booked_at) for *_, p in booked], dtype=np.int64),
            fee=cpm / 1000 * (impressions * [_fee(slot, p) for _, _, slot, p in booked])[:, None],
            cap=np.array([slot.frequency_cap or 0 for _, _, slot, _ in booked], dtype=np.int64),
            free=column([p.free_visits for *_, p in booked]),
            pool=column([self.scenes[i].selection.pool for i in scenes]),
            reach=column([share[some].sum(axis=0) for some in segments]),
            segments=_table(
                [[g in some for g in range(len(self.segments))] for some in segments],
                len(self.segments),
            ),
        )  # fmt: skip

    def _price(self, slot: ContractSlot, package: Package) -> Any:
        """Cpm of a package, by its date of booking and its phases."""
        if package.cpm is not None:
            return package.cpm
        return slot.cpm * price_factor(self.original, slot, package)

    def _inventory(self, slots: np.ndarray) -> np.ndarray:
        """The auction slot that a contract slot shares, or the slot itself."""
        shared = [getattr(self.slots[k], "shares", None) for k in slots]
        where = [
            k if name is None else self.slot_at[name] for k, name in zip(slots, shared, strict=True)
        ]
        return np.array(where, dtype=np.intp)

    def _second(self, moment: datetime | None) -> int:
        """Seconds since the start; 0 for what is before it, or not dated."""
        return 0 if moment is None else max(0, seconds_between(self.steps.shape.origin, moment))

    def _costs(self) -> Costs:
        c, pay = self.s.commerce, self.s.payment
        return Costs(
            commission=column([c.commission + c.technology_fee]), payment_fee=column([c.payment_fee]),
            fulfilment=column([c.fulfilment]), refund_handling=column([c.refund_handling]),
            depreciation=column([c.depreciation]), pay_fail=column([pay.fail]),
            pay_retry=column([pay.retry]),
            pay_capacity=None if pay.capacity is None else column([pay.capacity]),
        )  # fmt: skip


# Which stages a visit can move where: engage from 0-1, enthuse 0-2, favourite 0-3, cart 0-4.
_ALLOWED = np.array([[c <= last for c in range(STAGES)] for last in (1, 2, 3, 4)], dtype=float)


def _unless(table: np.ndarray, idle: float) -> np.ndarray | None:
    """The table, or None where it changes nothing."""
    return None if (table == idle).all() else table


def _deposit_ratio(phase: Phase) -> Any:
    cvr = np.asarray(phase.cvr, dtype=float)
    return np.divide(
        phase.deposit, cvr, out=np.zeros(np.broadcast(phase.deposit, cvr).shape), where=cvr > 0
    )


def _pool_units(product: Product) -> float:
    """Whole units in shops that online orders may take."""
    pool = product.pooled
    return 0.0 if pool is None else float(np.floor(pool.units * pool.share + 1e-9))


def _owes(slot: ContractSlot) -> bool:
    """Whether a shortfall is made good in impressions."""
    return slot.remedy == "make_good"


def _readier(scene: Scene, slot: Any) -> Any:
    """Odds of buying of the scene's crowd; a contract reaches it as far as it is precise."""
    precision = slot.precision if isinstance(slot, ContractSlot) else 1.0
    return 1 + precision * (scene.selection.cvr - 1)


def _fee(slot: ContractSlot, package: Package) -> float:
    """What is owed when a signed package is cancelled, share of its price."""
    return max(slot.cancellation_fee or 0.0, slot.deposit) if package.signed else 0.0


def _table(rows: list[list[bool]], columns: int) -> np.ndarray:
    """A table of bool that keeps its columns when it has no rows."""
    return np.array(rows, dtype=bool).reshape(len(rows), columns)


def _action(bid: Any) -> str:
    if bid.mode == "roi_control":
        return "order"
    return "first_order" if bid.cost_per == "initial" else str(bid.cost_per)


def _flat(slot: Any) -> float:
    """0 where several positions are sold: there a score is bid flat."""
    return float(len(_positions(slot)) == 1)


def _positions(slot: Any) -> tuple[float, ...]:
    several = slot.mechanism in ("gsp", "vcg")
    return tuple(slot.position_decay[: round(slot.positions)]) if several else (1.0,)


def _power(base: Any, source: Any) -> Any:
    return np.power(np.asarray(base, dtype=float), source.sale_sensitivity)
