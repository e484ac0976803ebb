"""Facts of the trade that no parameter states and no story can say: over many plans, or over chance.

Each comes with a second world in which its cause is switched off. Figures: docs/model.md, "What comes out".
"""

import math
from collections.abc import Callable, Generator
from datetime import timedelta
from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.stats import spearmanr

from simulator.engine.run import Rule, View
from simulator.scenario import parse_scenario, read_scenario
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario
from tests.worlds import SCENARIOS, Figures, expected, figures, minimal, one, plan, sampled

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@cache
def shipped(name: str, *sets: str) -> Scenario:
    """A file of scenarios/ with settings on top."""
    return read_scenario(SCENARIOS / f"{name}.yaml", sets)


def starts(scenario: Scenario, phase: str, unit: timedelta) -> int:
    """Whole units of time after which a phase has begun."""
    phases = scenario.calendar.phases
    first = next(iter(phases.values()))
    return math.ceil((phases[phase].start - first.start) / unit)


def diary(pages: list[np.ndarray], hours: int, look: Callable[[View], np.ndarray]) -> Rule:
    """A process that writes down what it sees every so many hours."""

    def write(view: View) -> Generator[float, None, None]:
        while True:
            yield View.hours(hours)
            pages.append(look(view))

    return write


def totals(*names: str) -> Callable[[View], np.ndarray]:
    """Totals of the book so far: [name, lane]."""
    return lambda view: np.array([view.book.totals[name] for name in names])


# --- baskets of the days before forecast the day ------------------------------------------------

WAYS, REPLICATIONS = 12, 8
NO_RELEASE = (
    "calendar.phases.main_day.release=0",
    "calendar.phases.preheat={deposit: 0, deposit_release: 0}",
)
ENOUGH = "products.down_jacket.stock=null"  # an empty depot sells the same, whatever was in baskets


def ways_before_the_day(scenario: Scenario) -> list[Plan]:
    """Fifty thousand to two million before the day, earlier or later; on the day always the same."""
    chance = np.random.default_rng(1)
    money, early = 10 ** chance.uniform(4.7, 6.3, WAYS), chance.uniform(size=WAYS)
    before = [{"presale": m * e, "preheat": m * (1 - e)} for m, e in zip(money, early, strict=True)]
    return [
        plan(scenario, f"way_{n}", packages="none", preheat=cells, day={"main_day": 500e3})
        for n, cells in enumerate(before)
    ]


@cache
def ten_days_and_the_day(*sets: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Baskets filled in the ten days before 11 November 2013; orders and gmv of the day: [lane]."""
    scenario, pages = shipped("single_day_1111_2013", ENOUGH, *sets), list[np.ndarray]()
    book = diary(pages, 24, totals("favourites", "carts", "paid_orders", "gmv"))
    ways = ways_before_the_day(scenario)
    sampled(scenario, ways, replications=REPLICATIONS, processes=[book])
    day = starts(scenario, "main_day", DAY)
    before, at_open, after = (pages[n][:, : WAYS * REPLICATIONS] for n in (day - 11, day - 1, day))
    orders, gmv = (after - at_open)[2:]
    return (at_open - before)[:2].sum(axis=0), orders, gmv


def test_baskets_of_the_days_before_forecast_the_day():
    filled, _, gmv = ten_days_and_the_day()
    assert spearmanr(filled, gmv).statistic > 0.85


def test_a_basket_forecasts_orders_because_the_day_releases_it():
    """What is left without release is that people who fill baskets know the shop, too."""

    def orders_per_basket(*sets: str) -> float:
        filled, orders, _ = ten_days_and_the_day(*sets)
        return float(np.polyfit(filled, orders, 1)[0])

    assert orders_per_basket() > 0.4
    assert orders_per_basket() > 2 * orders_per_basket(*NO_RELEASE)


# --- who bought in the first wave buys again in the second --------------------------------------

LARGE = ("new_coffee_100m", "beauty_multi_scene", "rising_basics_ten_million")
TWO_WAVES = ("new_coffee_100m", "fashion_two_waves", "rising_basics_ten_million")
QUIET = "{traffic: 1, cvr: 0.75, release: 0.8%, burst: null}"


def without_customers(name: str) -> list[str]:
    """The same shop before anybody has bought there, so that all who buy again are new."""
    stages = "{initial: 0, numerous: 0, keen: 0, lapsed: 0}"
    return [f"segments.{segment}.start={stages}" for segment in shipped(name).segments]


def bought_again(scenario: Scenario) -> float:
    """Part of those with one order when wave 1 ends who have a second one when wave 2 ends."""
    pages = list[np.ndarray]()
    customers = diary(pages, 1, lambda view: view.people[7:10].copy())
    count = expected(scenario, plans_of(scenario)[:1], processes=[customers]).replications
    begin, end = starts(scenario, "lull", HOUR), starts(scenario, "after", HOUR)
    hours = [
        (page[0, :, :count], page[1:, :, :count].sum(axis=0)) for page in pages[begin - 1 : end]
    ]
    waiting = first = hours[0][0]
    for (initial, repeat), (_, later) in pairwise(hours):
        waiting = waiting * (1 - (later - repeat) / initial)
    return float(1 - waiting.sum() / first.sum())


def new_shop(name: str, *sets: str) -> Scenario:
    """A shop that nobody has bought from yet."""
    return shipped(name, *without_customers(name), *sets)


def quiet_later(name: str) -> Scenario:
    """The same where the second window is an ordinary week."""
    phases = shipped(name).calendar.phases
    later = [f for f in ("wave_2", "steady", "main_day") if f in phases]
    return new_shop(name, *(f"calendar.phases.{phase}={QUIET}" for phase in later))


@pytest.mark.slow
@pytest.mark.parametrize("name", TWO_WAVES)
def test_buyers_of_the_first_wave_buy_again_in_the_second(name: str):
    again = bought_again(new_shop(name))
    assert 0.09 < again < 0.25
    assert bought_again(quiet_later(name)) < 0.6 * again


# --- free traffic after the ads -----------------------------------------------------------------

NO_SALE = (
    "calendar.end=2021-05-15",
    "calendar.phases.sale={clock: 1d, traffic: 1, cpm: 1, cvr: 1, release: 0.7%}",
)
ALIKE = "{outside: 1, aware: 1, active: 1, customers: 1, lapsed: 1}"
NO_MEMORY = (
    "life_cycle.organic_orders=0",
    f"sources.search.organic_bands={ALIKE}",
    f"sources.recommend.organic_bands={ALIKE}",
)


def extra_free_visits(scenario: Scenario, chosen: Plan) -> np.ndarray:
    """Free visits beyond those of no ads, as a part of them: [day]."""
    pages = list[np.ndarray]()
    count = expected(
        scenario, [chosen], processes=[diary(pages, 24, totals("free_visits"))]
    ).replications
    visits = np.diff([page[0] for page in pages], axis=0, prepend=0)
    ads, none = visits[:, :count].mean(axis=1), visits[:, count:].mean(axis=1)
    return np.asarray(ads / none - 1)


def ordinary_month(*sets: str) -> np.ndarray:
    """Extra free visits of 25 days of ads and 50 days after them."""
    scenario = minimal(*NO_SALE, *sets)
    return extra_free_visits(scenario, plan(scenario, new_customer={"normal": 20e3}))


def factory() -> np.ndarray:
    """Extra free visits of four weeks of ads for rackets and seven weeks after them."""
    no_lift = "scenes.whole_site.organic_boost=0"  # that ends within a week of the ads
    scenario = shipped("factory_white_label", "calendar.end=2024-12-30", no_lift)
    money = {"presale": 20e3, "wave_1": 10e3, "lull": 20e3, "wave_2": 10e3, "steady": 20e3}
    return extra_free_visits(scenario, plan(scenario, whole_site=money))


ENDS = {ordinary_month: 24, factory: 27}
"""The last day of ads."""


def half_life(extra: np.ndarray, last_day: int) -> int:
    """Days after the ads until half of what they brought on their last day is gone."""
    below = np.flatnonzero(extra[last_day + 1 :] < extra[last_day] / 2)
    assert below.size, "never"
    return 1 + int(below[0])


@pytest.mark.parametrize(("world", "last_day"), ENDS.items())
def test_free_visits_outlast_the_ads_and_fade(world: Callable[[], np.ndarray], last_day: int):
    extra = world()
    after = extra[last_day + 1 : last_day + 48]
    assert extra[last_day] > 0.05
    assert after[0] > 0.95 * extra[last_day], "not at once"
    assert (np.diff(after) < 0).all()
    assert 14 < half_life(extra, last_day) < 45


def test_free_visits_stay_because_people_and_the_platform_remember():
    assert np.abs(ordinary_month(*NO_MEMORY)).max() < 1e-9


# --- one day against two waves ------------------------------------------------------------------

GATE = "payment.capacity=40k"


def strained(calendar: str, *waves: str) -> Figures:
    """The shop of 2013 in another year: the same money, and 40% off in each wave."""
    text = (SCENARIOS / "single_day_1111_2013.yaml").read_text(encoding="utf-8")
    cuts = "{" + ", ".join(f"{wave}: 40%" for wave in waves) + "}"
    goods = [f"products.{name}.discount" for name in ("down_jacket", "shirt", "jeans")]
    sets = [f"{field}={value}" for field in goods for value in ("null", cuts)]
    sets += ["products.down_jacket.restocks=null", "pushes=null"]  # of days in 2013
    sets += ["plans=null", GATE, f"scenes.day.phases=[{', '.join(waves)}]"]
    year = text.replace("double11_2013", calendar).encode()
    scenario = parse_scenario(year, "single_day.yaml", sets)
    return figures(expected(scenario, [plan(scenario, preheat=1.3e6, day=1.2e6, keyword=500e3)]))


def test_two_waves_ease_what_one_day_chokes():
    """The calendars of 2019 and 2020: the same rush at each opening, one opening or two."""
    one_day, two = (
        strained("double11_2019", "main_day"),
        strained("double11_2020", "wave_1", "wave_2"),
    )
    assert two["paid_orders"] > one_day["paid_orders"]
    assert two["peak_payment_load"] < 0.85 * one_day["peak_payment_load"]
    assert two["failed_payments"] < 0.5 * one_day["failed_payments"]


# --- small budgets ------------------------------------------------------------------------------


def uncertainty(scenario: Scenario) -> float:
    """Standard deviation of roi over chance, as a part of its mean; first plan."""
    outcomes = sampled(scenario, plans_of(scenario)[:1], replications=60)
    roi = outcomes.values(outcomes.plans[0], "roi")
    return float(roi.std() / roi.mean())


def couple(size: int) -> Scenario:
    """The couple's shop with so many times the people, visits, places, usual orders and money."""
    counts = {
        "budget": 500, "segments.anglers.people": 60_000, "life_cycle.category_orders": 2,
        "sources.search.organic_visits": 45, "sources.recommend.organic_visits": 25,
        "slots.search_words.opportunities": 2500, "slots.recommend_feed.opportunities": 6000,
    }  # fmt: skip
    larger = [f"{field}={count * size}" for field, count in counts.items()]
    return shipped("mom_and_pop_300", "incentives.credit=null", *larger)


@pytest.mark.slow
def test_the_return_of_a_few_hundred_yuan_is_many_times_as_uncertain_as_that_of_millions():
    large = max(uncertainty(shipped(name)) for name in LARGE)
    for budget in (300, 500, 800):
        assert uncertainty(shipped("mom_and_pop_300", f"budget={budget}")) > 2.5 * large


def test_it_is_uncertain_because_it_is_few_orders():
    assert uncertainty(couple(1)) > 3 * uncertainty(couple(100))


# --- weak products ------------------------------------------------------------------------------


def best_roi(scenario: Scenario, splits: list[Plan]) -> float:
    """Highest roi that any of the splits brings."""
    outcomes = expected(scenario, splits)
    return max(one(outcomes, "roi", plan=name)[0] for name in outcomes.plans)


def every_split(power: float) -> float:
    """Highest roi of the minimal budget, of all splits over its three cells by tenths."""
    scenario = minimal(f"products.coffee.product_power={power}")
    tenths = [(a, b, 10 - a - b) for a, b in product(range(11), range(11)) if a + b <= 10]
    tenth = scenario.budget / 10
    splits = [
        plan(
            scenario, f"{a}/{b}/{c}",
            new_customer={"normal": tenth * a, "sale": tenth * b}, harvest={"sale": tenth * c},
        )
        for a, b, c in tenths
    ]  # fmt: skip
    return best_roi(scenario, splits)


def forty_splits(power: float) -> float:
    """Highest roi of the label's 5 million, of random splits over all its scenes and phases."""
    goods = shipped("fashion_two_waves").products
    scenario = shipped(
        "fashion_two_waves",
        *(f"products.{p}.product_power={power}" for p in goods),
        *(f"products.{p}.generation=1" for p in goods),
    )
    cells = [
        (s, f) for s, x in scenario.scenes.items() for f in x.phases or scenario.calendar.phases
    ]
    parts = np.random.default_rng(5).dirichlet(np.full(len(cells), 0.4), 40) * scenario.budget
    splits = []
    for n, row in enumerate(parts):
        money: dict[str, dict[str, float]] = {scene: {} for scene in scenario.scenes}
        for (scene, phase), amount in zip(cells, row, strict=True):
            money[scene][phase] = 0.999 * float(amount)
        splits.append(plan(scenario, f"split_{n}", packages="none", **money))
    return best_roi(scenario, splits)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "floor"), [(every_split, 1.0), (forty_splits, 0.3)])
def test_a_weak_product_reaches_the_floor_with_no_split(
    world: Callable[[float], float], floor: float
):
    assert world(0.6) < floor
    assert world(1.5) > floor
