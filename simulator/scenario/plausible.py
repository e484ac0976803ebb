"""Checks of the parts of a scenario by themselves: can this number, date or list be meant?"""

import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise

from simulator.scenario.amounts import shown
from simulator.scenario.calendar import Calendar
from simulator.scenario.chain import BANDS, CHAIN_STAGES, Moves
from simulator.scenario.chance import Shock
from simulator.scenario.goods import Commerce, Product
from simulator.scenario.nodes import Parts, Tree
from simulator.scenario.plan import price_of
from simulator.scenario.prices import last_booking
from simulator.scenario.references import Fault
from simulator.scenario.scenes import Scene
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot, Package

DAY = 86400
MOST_VISITS, MOST_OPPORTUNITIES = 100, 1000
"""Free visits and impressions on offer, a day and person."""

MOST_SPELLS = 100
"""Times that a shock may begin in a run, on average."""

LEAST_RUNOFF_DAYS = 7
UNSETTLED = 0.001
"""Share of refunds that may be open at the end of the run-off."""

_Check = Callable[[Scenario], Iterator[Fault]]
_Ranges = dict[str, dict[str, tuple[float, float]]]
_FACTOR, _DAYS = (0.001, 1000.0), (0.01, 3650.0)
_RANGES: _Ranges = {
    "segments": {
        "people": (1.0, 1e10), "activity": _FACTOR, "ctr": _FACTOR, "cvr": _FACTOR,
        "order_value": _FACTOR, "cpm": _FACTOR, "breadth": _FACTOR, "spend": _FACTOR,
        "new_product_affinity": _FACTOR, "refund": _FACTOR, "return_freight": (0, 1e6),
    },
    "products": {"price": (0.01, 1e9), "product_power": _FACTOR, "stock": (0, 1e12)},
    "sources": {"organic_visits": (0, 1e11)},
    "slots": {"opportunities": (1.0, 1e12), "median_cpm": (0.01, 1e6), "cpm": (0.01, 1e6)},
    "scenes": {"creative": _FACTOR, "personalisation": _FACTOR},
}  # fmt: skip
"""What the entries of a section can be meant to hold; beyond it, somebody slipped by many zeros."""
_RANGES_OF_PARTS: _Ranges = {
    "chain": {
        "discover_days": _DAYS, "enthuse_days": _DAYS, "basket_days": _DAYS, "lapse_days": _DAYS,
        "new_customer_window_days": _DAYS, "reach_window_days": _DAYS,
        "fatigue_half_life_days": _DAYS,
    },
    "payment": {"capacity": (0.001, 1e9)},
    "shipping": {"per_day": (0.001, 1e12), "late_days": _DAYS, "half_life_days": _DAYS},
    "commerce": {"refund_fast_days": (0.01, 365.0), "refund_slow_days": (0.01, 365.0)},
    "life_cycle": {
        "category_orders": (0.001, 1e9), "potential_at": _FACTOR, "hit_at": _FACTOR,
        "promotion_days": _DAYS, "core_days": _DAYS, "decline_days": _DAYS,
    },
}  # fmt: skip


def check_parts(scenario: Scenario, tree: Tree | None) -> Iterator[Fault]:
    """Everything that cannot be meant, whatever the rest of the file says."""
    if tree is not None:
        yield from _check_order(scenario.calendar, tree)
    for check in _CHECKS:
        yield from check(scenario)


def _check_ranges(scenario: Scenario) -> Iterator[Fault]:
    yield from _in_range(("budget",), scenario.budget, (0.01, 1e13))
    for part, ranges in _RANGES_OF_PARTS.items():
        for field, limits in ranges.items():
            yield from _in_range(
                (part, field), getattr(getattr(scenario, part), field, None), limits
            )
    for section, ranges in _RANGES.items():
        for name, entry in getattr(scenario, section).items():
            for field, limits in ranges.items():
                yield from _in_range((section, name, field), getattr(entry, field, None), limits)


def _in_range(path: Parts, value: float | None, limits: tuple[float, float]) -> Iterator[Fault]:
    least, most = limits
    if value is not None and not least <= value <= most:
        yield Fault(path, f"must lie in {least:g}..{most:g} (got {value:g})")


# --------------------------------------------------------------------------- calendar
def _check_order(calendar: Calendar, tree: Tree) -> Iterator[Fault]:
    """Phases stand in order of time in the file that dates them; a phase more may come later."""
    last: dict[str, str] = {}
    for name, phase in calendar.phases.items():
        path = ("calendar", "phases", name, "start")
        file = tree.origin(path).file
        before = calendar.phases[last[file]] if file in last else None
        if before and phase.start < before.start:
            first = f"{shown(last[file])} ({_moment(before.start)})"
            yield Fault(path, f"must not be before the phase above it, {first}: put them in order")
        last[file] = name


def _check_phases(scenario: Scenario) -> Iterator[Fault]:
    calendar, seen = scenario.calendar, dict[datetime, str]()
    if not calendar.phases:
        yield Fault(("calendar", "phases"), "must have at least one phase")
    for name, phase in calendar.phases.items():
        path = ("calendar", "phases", name)
        if phase.start >= calendar.end:
            end = f"calendar.end, {_moment(calendar.end)}"
            yield Fault((*path, "start"), f"must be before {end} (got {_moment(phase.start)})")
        if phase.start in seen:
            other = shown(seen[phase.start])
            yield Fault((*path, "start"), f"must not be that of phase {other}: one has no length")
        seen.setdefault(phase.start, name)
        if phase.clock <= 0 or DAY % phase.clock:
            near = duration(_nearest_clock(phase.clock))
            rule = f"must divide a day evenly, 1d at most (got {duration(phase.clock)})"
            yield Fault((*path, "clock"), f"{rule}; the nearest is {near}")


def _check_balances(scenario: Scenario) -> Iterator[Fault]:
    calendar, path = scenario.calendar, ("calendar", "balances")
    inside = f"must lie inside the calendar, {_span(calendar)}"
    for number, window in enumerate(calendar.balances):
        if window.start < _first(calendar):
            yield Fault((*path, number, "start"), f"{inside} (got {_moment(window.start)})")
        if window.end > calendar.end:
            yield Fault((*path, number, "end"), f"{inside} (got {_moment(window.end)})")
        if window.end <= window.start:
            yield Fault((*path, number, "end"), f"must be after its start {_moment(window.start)}")
    for number, (one, two) in enumerate(pairwise(calendar.balances), start=1):
        if two.start < one.end:
            rule = f"must not be before the window above it ends, {_moment(one.end)}"
            yield Fault((*path, number, "start"), f"{rule}: windows stand in order, side by side")


def _check_curves(scenario: Scenario) -> Iterator[Fault]:
    calendar = scenario.calendar
    for name in ("hours_browse", "weekdays_browse"):
        why = "nobody buys without a visit; write 0.01 for hardly ever"
        yield from _positive(("calendar", name), getattr(calendar, name), why)
    for name in ("hours_buy", "weekdays_buy"):
        yield from _weights(("calendar", name), getattr(calendar, name))
    for name in ("ctr", "cvr", "quality", "refund"):
        values = getattr(scenario.life_cycle, name)
        yield from _positive(("life_cycle", name), values, "1 changes nothing")


def _positive(path: Parts, values: list[float], why: str) -> Iterator[Fault]:
    for number, value in enumerate(values):
        if value <= 0:
            yield Fault((*path, number), f"must be > 0 (got {value:g}): {why}")


def _weights(path: Parts, values: list[float]) -> Iterator[Fault]:
    for number, value in enumerate(values):
        if value < 0:
            yield Fault((*path, number), f"must be >= 0 (got {value:g})")
    if not any(values):
        yield Fault(path, "must not be 0 throughout")


def _check_length(scenario: Scenario) -> Iterator[Fault]:
    """People age by their last order; the model follows those of the start for one window only."""
    calendar, chain = scenario.calendar, scenario.chain
    if not calendar.phases:
        return
    after = runoff_days(scenario)
    days = math.ceil((calendar.end - _first(calendar)).total_seconds() / DAY) + after
    run = f"the run lasts {days} days with {after} days of run-off"
    if days > chain.lapse_days:
        latest = math.floor(chain.lapse_days) - after
        mend = f"advertise {latest} days at most" if latest > 0 else "settle refunds sooner"
        rule = f"is too late: {run}, more than chain.lapse_days ({chain.lapse_days:g})"
        yield Fault(("calendar", "end"), f"{rule}; {mend}, or raise lapse_days")
    elif days > chain.new_customer_window_days - chain.lapse_days:
        least = f"lapse_days + {days} = {chain.lapse_days + days:g}"
        path = ("chain", "new_customer_window_days")
        yield Fault(path, f"must be >= {least}, since {run}")


def runoff_days(scenario: Scenario) -> int:
    """Days after the end of advertising until refunds, make-goods and guarantees are settled."""
    owed = [
        slot.make_good_days
        for slot in scenario.slots.values()
        if isinstance(slot, ContractSlot) and slot.packages and slot.remedy == "make_good"
    ]
    settled = _settle_days(scenario.commerce)
    late = late_order_days(scenario)
    return max(settled, late, LEAST_RUNOFF_DAYS, *(math.ceil(days) for days in owed))


def late_order_days(scenario: Scenario) -> int:
    """Days in which 95% of the orders come that wait for a company's signature."""
    delays = [segment.order_delay_days for segment in scenario.segments.values()]
    return math.ceil(3 * max(delays, default=0.0))


def _settle_days(commerce: Commerce) -> int:
    """Days until all but UNSETTLED of the refunds are due: exponential or Gamma of shape 4."""

    def still_open(day: int) -> float:
        fast, slow = day / commerce.refund_fast_days, 4 * day / commerce.refund_slow_days
        tail = math.exp(-slow) * sum(slow**k / math.factorial(k) for k in range(4))
        share = commerce.refund_fast_share
        return share * math.exp(-fast) + (1 - share) * tail

    longest = 1
    while still_open(longest) > UNSETTLED:
        longest *= 2
    shortest = longest // 2
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if still_open(middle) > UNSETTLED:
            shortest = middle
        else:
            longest = middle
    return longest + 1


# --------------------------------------------------------------------------- people
def _check_people(scenario: Scenario) -> Iterator[Fault]:
    if not scenario.segments:
        yield Fault(("segments",), "must have at least one segment")
    for name, segment in scenario.segments.items():
        path = ("segments", name, "start")
        total = sum(map(float, segment.start.values()))
        if total > 1 + 1e-9:
            rule = f"must sum to at most 100% (sums to {percent(total)})"
            yield Fault(path, f"{rule}: the rest is outside")
        elif "outside" in segment.start and total < 1 - 1e-9:
            rest = 1 - total + segment.start["outside"]
            rule = "must be the rest of the people"
            yield Fault((*path, "outside"), f"{rule}, {percent(rest)}, or be left out")


def _check_returns(scenario: Scenario) -> Iterator[Fault]:
    for name, segment in scenario.segments.items():
        if segment.returns_borne_by == "platform" and segment.return_freight is not None:
            rule = "has no effect: returns_borne_by says that the platform pays; leave one out"
            yield Fault(("segments", name, "return_freight"), rule)


def _check_mix(scenario: Scenario) -> Iterator[Fault]:
    mix, ready = scenario.chain.reference_mix, scenario.chain.buy_propensity
    total = sum(map(float, mix.values()))
    if abs(total - 1) > 1e-6:
        yield Fault(("chain", "reference_mix"), f"must sum to 100% (sums to {percent(total)})")
    elif not any(share * ready.get(stage, 0) for stage, share in mix.items()):
        rule = "must be above 0 for a stage of reference_mix"
        yield Fault(("chain", "buy_propensity"), f"{rule}: nobody would ever buy")


# --------------------------------------------------------------------------- goods
def _check_goods(scenario: Scenario) -> Iterator[Fault]:
    products = scenario.products
    if not products:
        yield Fault(("products",), "must have at least one product")
    elif not any(product.organic for product in products.values()):
        path = ("products", next(iter(products)), "organic")
        yield Fault(path, "must be above 0 for one product: free visits look at something")
    cycle = scenario.life_cycle
    if cycle.organic_conversion > cycle.organic_base:
        rule = f"must be at most organic_base, {cycle.organic_base:g}"
        yield Fault(("life_cycle", "organic_conversion"), f"{rule}: weights stay above 0")
    for name, product in products.items():
        units = product.pooled.units if product.pooled else None
        yield from _in_range(("products", name, "pooled", "units"), units, (0, 1e12))
        yield from _check_product(scenario.calendar, ("products", name), product)


def _check_product(calendar: Calendar, at: Parts, product: Product) -> Iterator[Fault]:
    if product.launch and product.product_stage != "sampling":
        rule = f"is for products in stage sampling only (this one is {product.product_stage})"
        yield Fault((*at, "launch"), f"{rule}: leave it out, or set product_stage: sampling")
    if product.launch and product.launch >= calendar.end:
        yield Fault((*at, "launch"), f"must be before calendar.end, {_moment(calendar.end)}")
    if product.pooled and product.pooled.units * product.pooled.share < 1:
        pool = product.pooled
        rule = f"lets online orders take no unit ({percent(pool.share)} of {pool.units} units)"
        yield Fault((*at, "pooled"), f"{rule}: raise units or share, or leave it out")
    for number, restock in enumerate(product.restocks):
        path = (*at, "restocks", number)
        yield from _in_range((*path, "units"), restock.units, (1, 1e12))
        if calendar.phases and not _first(calendar) <= restock.at < calendar.end:
            got = f"(got {_moment(restock.at)})"
            yield Fault((*path, "at"), f"must lie inside the run, {_span(calendar)} {got}")


# --------------------------------------------------------------------------- media
def _check_sources(scenario: Scenario) -> Iterator[Fault]:
    for name, source in scenario.sources.items():
        if source.organic_visits > 0 and not any(source.organic_bands.values()):
            rule = "must give a band above 0, or organic_visits has no effect"
            yield Fault(("sources", name, "organic_bands"), rule)


def _check_pushes(scenario: Scenario) -> Iterator[Fault]:
    for name, push in scenario.pushes.items():
        at = ("pushes", name)
        yield from _in_range((*at, "cost"), push.cost, (0, 1000))
        if not any(push.audience.values()):
            yield Fault((*at, "audience"), "must give a band above 0: nobody is addressed")
        for number, day in enumerate(push.days):
            path = (*at, "days", number)
            if not _first(scenario.calendar).date() <= day.date() <= _last_day(scenario.calendar):
                rule = f"must lie inside the calendar, {_span(scenario.calendar)}"
                yield Fault(path, f"{rule} (got {_moment(day)})")
            elif day.date() in [other.date() for other in push.days[:number]]:
                yield Fault(path, f"names {day.date()} twice: one message a day, or another push")


def _last_day(calendar: Calendar) -> date:
    return (calendar.end - timedelta(seconds=1)).date()


def _check_density(scenario: Scenario) -> Iterator[Fault]:
    """What is on offer is for these people: nobody meets a brand thousands of times a day."""
    people = sum(segment.people for segment in scenario.segments.values())
    offers = [
        (("sources", name, "organic_visits"), source.organic_visits, MOST_VISITS)
        for name, source in scenario.sources.items()
    ] + [
        (("slots", name, "opportunities"), slot.opportunities, MOST_OPPORTUNITIES)
        for name, slot in scenario.slots.items()
    ]
    offers += [
        (("commissions", name, "visits"), partner.visits, MOST_VISITS)
        for name, partner in scenario.commissions.items()
    ]
    for path, daily, most in offers:
        if people and daily > most * people:
            each = f"{daily / people:,.0f} a day for each of {people:,.0f} people"
            yield Fault(path, f"must be at most {most:,} per person (is {each})")


def _check_slots(scenario: Scenario) -> Iterator[Fault]:
    for name, slot in scenario.slots.items():
        if isinstance(slot, AuctionSlot):
            yield from _check_positions(("slots", name), slot)
        else:
            yield from _check_packages(scenario, ("slots", name, "packages"), slot)


def _check_positions(at: Parts, slot: AuctionSlot) -> Iterator[Fault]:
    decay = slot.position_decay
    if slot.positions % 1:
        rule = f"must be a whole number (got {slot.positions:g})"
        yield Fault((*at, "positions"), f"{rule}; the nearest is {round(slot.positions)}")
    if len(decay) < slot.positions:
        rule = f"must have a click rate for each of {slot.positions:g} positions"
        yield Fault((*at, "position_decay"), f"{rule} (has {len(decay)})")
    if not decay or decay[0] <= 0:
        yield Fault((*at, "position_decay"), "must start above 0: the first position is 1")
    for number, (above, below) in enumerate(pairwise(decay), start=1):
        if below > above:
            rule = f"must not be above that of the position before it, {above:g}"
            yield Fault((*at, "position_decay", number), f"{rule} (got {below:g})")


def _check_packages(scenario: Scenario, at: Parts, slot: ContractSlot) -> Iterator[Fault]:
    for name, package in slot.packages.items():
        yield from _in_range((*at, name, "impressions"), package.impressions, (1, 1e12))
        yield from _in_range((*at, name, "cpm"), package.cpm, (0.01, 1e6))
        if not package.phases:
            yield Fault((*at, name, "phases"), "must name at least one phase")
        elif all(phase in scenario.calendar.phases for phase in package.phases):
            yield from _check_booking(scenario, (*at, name), slot, package)


def _check_booking(
    scenario: Scenario, at: Parts, slot: ContractSlot, package: Package
) -> Iterator[Fault]:
    """A booking comes in time, and is not too small for the slot."""
    first = min(scenario.calendar.phases[phase].start for phase in package.phases)
    last = last_booking(first, slot.lead_days)
    if package.booked_at and package.booked_at > last:
        lead = f"{slot.lead_days:g} days before its first impression on {_moment(first)}"
        rule = f"must be {_moment(last)} at the latest, {lead}"
        yield Fault((*at, "booked_at"), f"{rule} (got {_moment(package.booked_at)})")
    price = price_of(scenario, slot, package)
    if 0 < price < slot.minimum_booking * (1 - 1e-9):
        least = math.ceil(package.impressions * slot.minimum_booking / price)
        rule = f"must be {least:,} at least: the slot takes no booking below"
        what = f"CNY {slot.minimum_booking:,.0f} (this one costs {price:,.0f})"
        yield Fault((*at, "impressions"), f"{rule} {what}")


# --------------------------------------------------------------------------- scenes
def _check_scenes(scenario: Scenario) -> Iterator[Fault]:
    if not scenario.scenes:
        yield Fault(("scenes",), "must have at least one scene")
    for name, scene in scenario.scenes.items():
        at = ("scenes", name)
        yield from _check_aim(at, scene)
        yield from _check_creative(at, scene)
        yield from _check_goal(scenario, at, scene)
        if scene.bid.mode != "max_amount" and scene.bid.target is None:
            action = scene.bid.cost_per.replace("_", " ")
            what = "gmv per CNY" if scene.bid.mode == "roi_control" else f"CNY per {action}"
            yield Fault((*at, "bid", "target"), f"is required by {scene.bid.mode} [{what}]")
        if scene.bid.counts_organic and scene.bid.mode != "roi_control":
            rule = f"has no effect with {scene.bid.mode}: only a return target can count free sales"
            yield Fault((*at, "bid", "counts_organic"), f"{rule}; leave it out, or set roi_control")
        if _only_booked(scenario, name, scene):
            rule = "must hold an auction slot, or a contract slot with a package of this scene"
            yield Fault((*at, "slots"), f"{rule}: its money could not be spent")


def _check_partners(scenario: Scenario) -> Iterator[Fault]:
    for name, partner in scenario.commissions.items():
        at = ("commissions", name)
        if not any(partner.bands.values()):
            yield Fault((*at, "bands"), "must give a band above 0: it brings nobody")
        if partner.products and not any(partner.products.values()):
            rule = "must give a product a weight above 0, or be left out for all alike"
            yield Fault((*at, "products"), rule)
        if partner.cap is not None and partner.cap < partner.fee:
            yield Fault((*at, "cap"), f"must pay the fee, {partner.fee:,.0f} CNY, at least")


def _check_aim(at: Parts, scene: Scene) -> Iterator[Fault]:
    if not any(scene.audience.values()):
        rule = "must give a band above 0: the scene selects nobody"
        yield Fault((*at, "audience"), rule)
    if not scene.slots:
        yield Fault((*at, "slots"), "must name at least one slot")
    if scene.product_stages and not any(scene.product_stages.values()):
        rule = "must give a stage a weight above 0, or be left out for any stage"
        yield Fault((*at, "product_stages"), rule)
    if scene.products and not any(scene.products.values()):
        rule = "must give a product a weight above 0, or be left out for all alike"
        yield Fault((*at, "products"), rule)


def _check_goal(scenario: Scenario, at: Parts, scene: Scene) -> Iterator[Fault]:
    """A scene that bids for moves which no visit makes would never bid."""
    moves = {"perform": ("favourite", "cart")}.get(scene.bid.cost_per, (scene.bid.cost_per,))
    rows = [scenario.chain.visit_moves.get(stage, Moves()) for stage in CHAIN_STAGES]
    if not {"engage", "enthuse", "cart"} & {*moves}:
        return
    if not any(getattr(row, move) for row in rows for move in moves):
        rule = f"names a move that no visit makes: chain.visit_moves has no {' or '.join(moves)}"
        yield Fault((*at, "bid", "cost_per"), f"{rule}; add it there, or bid for something else")


def _check_creative(at: Parts, scene: Scene) -> Iterator[Fault]:
    for band, factor in scene.creative_by_band.items():
        path = (*at, "creative_by_band", band)
        yield from _in_range(path, factor, _FACTOR)
        if band in BANDS and not scene.audience.get(band):
            rule = "must be for a band of the scene's audience"
            yield Fault(path, f"{rule}; add {band} there, or leave it out here", at_name=True)


def _check_tests(scenario: Scenario) -> Iterator[Fault]:
    """A product test ends within the run, and a product has one."""
    calendar, tested = scenario.calendar, dict[str, str]()
    for name, scene in scenario.scenes.items():
        test, path = scene.explore, ("scenes", name, "explore")
        if test is None:
            continue
        known = isinstance(test.decide_at, datetime) or test.decide_at in calendar.phases
        if known and not _first(calendar) < test.moment(calendar) < calendar.end:
            got = f"(got {_moment(test.moment(calendar))})"
            yield Fault((*path, "decide_at"), f"must lie inside the run, {_span(calendar)} {got}")
        if test.product in tested:
            other = f"scene {shown(tested[test.product])}"
            yield Fault((*path, "product"), f"is tested by {other} already: leave one out")
        tested.setdefault(test.product, name)


def _only_booked(scenario: Scenario, name: str, scene: Scene) -> bool:
    """Whether the scene has known slots, but none of them can take its money."""
    slots = [scenario.slots[slot] for slot in scene.slots if slot in scenario.slots]
    able = [
        isinstance(slot, AuctionSlot) or any(p.scene == name for p in slot.packages.values())
        for slot in slots
    ]
    return bool(slots) and not any(able)


def _check_media(scenario: Scenario) -> Iterator[Fault]:
    auctions = any(isinstance(slot, AuctionSlot) for slot in scenario.slots.values())
    if not auctions and not any(packages_of(scenario)):
        yield Fault(("slots",), "must have at least one auction slot or package")


def packages_of(scenario: Scenario) -> Iterator[Package]:
    """All contract packages."""
    for slot in scenario.slots.values():
        if isinstance(slot, ContractSlot):
            yield from slot.packages.values()


# --------------------------------------------------------------------------- weather and news
def _check_shocks(scenario: Scenario) -> Iterator[Fault]:
    for name, shock in scenario.shocks.items():
        yield from _check_shock(scenario.calendar, ("shocks", name), shock)


def _check_shock(calendar: Calendar, at: Parts, shock: Shock) -> Iterator[Fault]:
    if (shock.chance is None) == (shock.rate is None):
        yield Fault(
            at, "must have a chance (it comes once or not) or a rate (times per day): one of them"
        )
    if shock.end <= shock.start:
        yield Fault((*at, "end"), f"must be after its start {_moment(shock.start)}")
    elif (shock.rate or 0) * (shock.end - shock.start).total_seconds() / DAY > MOST_SPELLS:
        yield Fault((*at, "rate"), f"makes it begin more than {MOST_SPELLS} times: lower it")
    if calendar.phases and not _first(calendar) <= shock.start < calendar.end:
        yield Fault(
            (*at, "start"),
            f"must lie inside the run, {_span(calendar)} (got {_moment(shock.start)})",
        )
    if shock.products and shock.segments:
        rule = "must not stand beside products: a shock moves products or people"
        yield Fault((*at, "segments"), f"{rule}; write two shocks")
    if shock.demand == shock.traffic == 1:
        yield Fault(at, "changes nothing: give demand or traffic another factor than 1")
    if shock.demand == 1 and (shock.products or shock.segments):
        field = "products" if shock.products else "segments"
        yield Fault((*at, field), "has no effect: traffic is that of the whole shop; leave it out")


# --------------------------------------------------------------------------- words
def _nearest_clock(seconds: int) -> int:
    even = [clock for clock in range(1, DAY + 1) if DAY % clock == 0]
    return min(even, key=lambda clock: abs(clock - seconds))


def _first(calendar: Calendar) -> datetime:
    return min((phase.start for phase in calendar.phases.values()), default=calendar.end)


def _span(calendar: Calendar) -> str:
    return f"{_moment(_first(calendar))} to {_moment(calendar.end)}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(" ").removesuffix(":00").removesuffix(" 00:00")


def duration(seconds: int) -> str:
    """Whole seconds as people write them."""
    if seconds == 0:
        return "0s"
    units = {"d": DAY, "h": 3600, "min": 60, "s": 1}
    name = next(unit for unit, size in units.items() if seconds % size == 0)
    return f"{seconds // units[name]}{name}"


def percent(share: float) -> str:
    """The share as people write it."""
    return f"{100 * share:.6g}%"


_CHECKS: tuple[_Check, ...] = (
    _check_ranges,
    _check_phases,
    _check_balances,
    _check_curves,
    _check_length,
    _check_people,
    _check_returns,
    _check_mix,
    _check_goods,
    _check_sources,
    _check_pushes,
    _check_density,
    _check_slots,
    _check_scenes,
    _check_tests,
    _check_media,
    _check_partners,
    _check_shocks,
)
