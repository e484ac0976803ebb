"""Cross-checks: each thing that can contradict another is refused at its place, with the mend."""

import pytest

from simulator.engine.simulate import make_grid
from simulator.errors import ScenarioError, UserError
from simulator.scenario import parse_scenario
from simulator.scenario.amounts import Uncertain
from simulator.scenario.chain import CHAIN_STAGES
from simulator.scenario.checks import counts
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.runoff import runoff_days
from simulator.scenario.scenes import PlanEntry

SHOP = """\
name: A shop
extends: [calendars/plain, chain/deeplink, categories/coffee]
budget: 100k
calendar:
  phases:
    normal: {start: 2021-03-01, release: 0.7%}
    presale: {start: 2021-03-20, deposit: 0.5}
    sale: {start: 2021-03-26, clock: 1h, cvr: 2.2}
  balances:
    - {start: 2021-03-26, end: 2021-03-27}
    - {start: 2021-03-27, end: 2021-03-28}
  end: 2021-03-29
segments:
  shoppers: {people: 400k, start: {discover: 5%, perform: 1%, initial: 3%}}
  members: {people: 40k}
products:
  coffee: {price: 120, margin: 55%, presale: true, restocks: [{at: 2021-03-20, units: 1k}]}
  tea: {price: 90, margin: 50%, product_stage: sampling, launch: 2021-03-10}
sources:
  search: {preset: search, organic_visits: 800}
  recommend: {preset: recommend, organic_visits: 500}
slots:
  words: {preset: search_words, source: search, opportunities: 30k}
  feed: {preset: recommend_feed, source: recommend, opportunities: 120k}
  focus:
    preset: focus_picture
    source: recommend
    opportunities: 60k
    shares: feed
    packages:
      opening: {impressions: 100k, phases: [sale], scene: harvest, cpm: 100}
scenes:
  new_customer: {preset: new_customer, slots: [feed], segments: [shoppers]}
  harvest: {preset: harvest, slots: [words, feed, focus], phases: [presale, sale]}
plans:
  half: {new_customer: 50%, harvest: 50%}
  money: {new_customer: 40k, harvest: {presale: 10k, sale: 40k}}
  bare: {scenes: {harvest: 10k}, packages: none}
"""


def complaints(*sets, text=SHOP):
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text.encode(), "shop.yaml", sets)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in caught.value.problems)
    return str(caught.value).splitlines()


def complaint(*sets, text=SHOP):
    """The only complaint, without its place."""
    lines = complaints(*sets, text=text)
    assert len(lines) == 1, lines
    return lines[0].partition(": ")[2]


def changed(old, new):
    assert SHOP.count(old) == 1
    return SHOP.replace(old, new)


def test_a_sound_scenario_is_read_and_counted():
    scenario = parse_scenario(SHOP.encode())
    sizes = counts(scenario)
    assert sizes.pop("uncertain numbers") > 50
    assert sizes == {"segments": 2, "scenes": 2, "slots": 3, "placements": 7, "plans": 3}


def test_numbers_that_are_not_quite_known_are_counted():
    before = counts(parse_scenario(SHOP.encode()))["uncertain numbers"]
    sets = [
        "segments.members.people={value: 40k, sd: 20%}",
        "products.tea.price={value: 90, sd: 0}",
    ]
    scenario = parse_scenario(SHOP.encode(), sets=sets)
    assert isinstance(scenario.segments["members"].people, Uncertain)
    assert counts(scenario)["uncertain numbers"] == before + 1


# --------------------------------------------------------------------------- names and places
def test_a_fault_points_at_its_line():
    lines = complaints(
        text=changed("slots: [words, feed, focus]", "slots: [words, feed, fokus, focus]")
    )
    assert lines == [
        "shop.yaml:34:51: scenes.harvest.slots.2 names no slot: 'fokus', did you mean 'focus'?"
    ]


def test_all_faults_are_told_at_once_in_the_order_of_the_file():
    text = changed("source: search, opp", "source: serch, opp").replace(
        "harvest: 10k", "harvst: 10k"
    )
    text = text.replace("units: 1k", "units: 0")
    found = [line.split(": ")[1].split()[0] for line in complaints(text=text)]
    assert found == [
        "products.coffee.restocks.0.units",
        "slots.words.source",
        "plans.bare.scenes.harvst",
    ]


REFERENCES = {
    "slots.words.source=serch": (
        "slots.words.source names no source: 'serch', did you mean 'search'?"
    ),
    "slots.words.source=x": "slots.words.source names no source: 'x'; known are search, recommend",
    "scenes.harvest.slots=[focus, feeed]": (
        "scenes.harvest.slots.1 names no slot: 'feeed', did you mean"
    ),
    "scenes.harvest.slots=[focus, feed, feed]": "scenes.harvest.slots.2 names slot 'feed' twice",
    "scenes.harvest.segments=[member]": "names no segment: 'member', did you mean 'members'?",
    "scenes.harvest.products={cofee: 1}": (
        "harvest.products.cofee names no product: 'cofee', did you"
    ),
    "scenes.new_customer.phases=[sales]": "names no phase: 'sales', did you mean 'sale'?",
    "scenes.harvest.audience={activ: 1}": (
        "audience.activ names no band: 'activ', did you mean 'active'?"
    ),
    "sources.search.organic_bands={customer: 1}": "no band: 'customer', did you mean 'customers'?",
    "chain.visit_moves.engaged={cart: 1%}": (
        "names no chain stage: 'engaged', did you mean 'engage'?"
    ),
    "chain.base_moves.customers={cart: 1%}": (
        "base_moves.customers names no chain stage: 'customers'"
    ),
    "chain.buy_propensity.keener=2": (
        "buy_propensity.keener names no chain stage: 'keener', did you"
    ),
    "chain.reference_mix.baskets=0": "reference_mix.baskets names no chain stage: 'baskets'",
    "segments.members.start={first: 1%}": (
        "segments.members.start.first names no chain stage: 'first'"
    ),
    "segments.members.start={preform: 1%}": "no chain stage: 'preform', did you mean 'perform'?",
    "slots.focus.packages.opening.scene=harvst": "packages.opening.scene names no scene: 'harvst'",
    "slots.focus.packages.opening.phases=[seal]": (
        "opening.phases.0 names no phase: 'seal', did you"
    ),
    "slots.focus.packages.opening.scene=new_customer": (
        "scene 'new_customer' does not use slot 'focus'; add it to scenes.new_customer.slots"
    ),
    "slots.focus.shares=focus": (
        "slots.focus.shares names no auction slot: 'focus'; known are words, feed"
    ),
    "products.coffee.discount={sales: 10%}": "discount.sales names no phase: 'sales', did you mean",
    "plans.half.new_customers=10%": "no scene: 'new_customers', did you mean 'new_customer'?",
    "plans.money.harvest.sail=1k": (
        "plans.money.harvest.sail names no phase: 'sail', did you mean 'sale'?"
    ),
    "plans.money.harvest.normal=1k": (
        "without the scene: scene 'harvest' spends in presale, sale only"
    ),
    "scenes.harvest.explore={product: cofee, variants: 3, decide_at: 2021-03-20}": (
        "harvest.explore.product names no product: 'cofee', did you mean 'coffee'?"
    ),
    "scenes.harvest.explore={product: tea, variants: 3, decide_at: presle}": (
        "harvest.explore.decide_at names no phase: 'presle', did you mean 'presale'?"
    ),
    "plans.bare.packages=[focus.opning]": (
        "bare.packages.0 names no contract package: 'focus.opning', did you mean 'focus.o"
    ),
}


@pytest.mark.parametrize("change", REFERENCES)
def test_a_name_that_finds_nothing(change):
    assert any(REFERENCES[change] in line for line in complaints(change)), complaints(change)


def test_a_move_that_nobody_can_make_is_not_dropped_in_silence():
    said = complaint("chain.visit_moves.cart={enthuse: 5%}")
    assert "chain.visit_moves.cart.enthuse has no effect" in said
    assert "people enthuse from outside, discover, engage only; leave it out" in said
    assert "has no effect" in complaint("chain.visit_moves.customers.favourite=5%")


TEST = "explore={product: tea, variants: 3, decide_at: 2021-03-20}"


def test_a_product_test_is_of_a_product_that_the_scene_shows():
    said = complaint(f"scenes.harvest.{TEST}", "scenes.harvest.products={coffee: 1}")
    assert "explore.product names a product that the scene does not show, 'tea'" in said
    assert "give it a weight in products" in said


def test_a_product_has_one_test():
    said = complaint(f"scenes.harvest.{TEST}", f"scenes.new_customer.{TEST}")
    assert "harvest.explore.product is tested by scene 'new_customer' already" in said


# --------------------------------------------------------------------------- well formed names
@pytest.mark.parametrize("name", ["a b", "a/b", "'a.b'", "'-a'", "x" * 61])
def test_a_name_is_letters_digits_and_lines(name):
    said = complaint(text=changed("  members:", f"  {name}:"))
    assert "is no name: letters, digits, _ and -, at most 60; write '" in said


@pytest.mark.parametrize("name", ["会员", "über", "a-b", "_1"])
def test_a_name_may_be_of_any_script(name):
    assert parse_scenario(changed("  members:", f"  {name}:").encode())


KEPT = {
    (
        "    sale: {",
        "    runoff: {",
    ): "runoff is a name kept for the days after the end of advertis",
    (
        "  new_customer: {preset",
        "  scenes: {preset",
    ): "scenes.scenes is a name kept by plans: choose",
    (
        "  half: ",
        "  none: ",
    ): "plans.none is a name kept for the plan without further ad money: choose",
}


@pytest.mark.parametrize("change", KEPT, ids=lambda change: change[1].strip(" :{"))
def test_a_name_that_means_something_else(change):
    assert any(KEPT[change] in line for line in complaints(text=changed(*change)))


# --------------------------------------------------------------------------- calendar
def test_phases_stand_in_order_of_time():
    text = changed("presale: {start: 2021-03-20", "presale: {start: 2021-02-20")
    text = text.replace("launch: 2021-03-10", "launch: 2021-03-01")
    said = complaint(text=text)
    assert "calendar.phases.presale.start must not be before the phase above it" in said
    assert "'normal' (2021-03-01): put them in order" in said


def test_a_phase_may_be_laid_between_those_of_another_file():
    assert parse_scenario(SHOP.encode(), sets=["calendar.phases.more.start=2021-03-10"])


NIGHT = "calendar.hours_buy=[0,0,0,0,0,0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,0]"


def window(times):
    return f"calendar.balances=[{{{times}}}]"


@pytest.mark.parametrize(
    ("times", "sets"),
    [
        ("start: 2021-03-25 23:00, end: 2021-03-26 06:00", NIGHT),
        ("start: 2021-03-27 00:30, end: 2021-03-27 01:10", NIGHT),
        ("start: 2021-03-27, end: 2021-03-29", "calendar.weekdays_buy=[1,1,1,1,1,0,0]"),
    ],
)
def test_a_balance_window_in_which_nobody_buys_is_refused(times, sets):
    said = complaint(window(times), sets)
    assert "calendar.balances.0 must hold an hour in which people buy" in said
    assert "nobody does from 2021-03-2" in said
    assert "move or lengthen the window, or write 0.01 for hardly ever" in said


@pytest.mark.parametrize(
    ("times", "sets"),
    [
        ("start: 2021-03-25 23:00, end: 2021-03-26 06:01", [NIGHT]),
        ("start: 2021-03-26, end: 2021-03-26 05:00", [NIGHT, "calendar.phases.sale.burst={}"]),
        ("start: 2021-03-25 21:00, end: 2021-03-26 05:00", [NIGHT]),
    ],
)
def test_a_balance_window_needs_but_one_hour_of_buying_or_a_rush(times, sets):
    assert parse_scenario(SHOP.encode(), sets=[window(times), *sets])


TIMES = {
    "calendar.phases.sale.start=2021-04-01": (
        "sale.start must be before calendar.end, 2021-03-29 (got 2021-04-01)"
    ),
    "calendar.phases.sale.start=2021-03-29 00:00": "sale.start must be before calendar.end",
    "calendar.phases.sale.start=2021-03-20": (
        "must not be that of phase 'presale': one has no length"
    ),
    "calendar.phases.sale.clock=7h": (
        "sale.clock must divide a day evenly, 1d at most (got 7h); the nearest is 6h"
    ),
    "calendar.phases.sale.clock=2d": "1d at most (got 2d); the nearest is 1d",
    "calendar.phases.sale.clock=0s": "1d at most (got 0s); the nearest is 1s",
    "calendar.phases.sale.clock=50min": "(got 50min); the nearest is 48min",
    "calendar.balances.0.start=2021-02-01": (
        "balances.0.start must lie inside the calendar, 2021-03-01 to 2021-03-29 (got 2021-02-01)"
    ),
    "calendar.balances.1.end=2021-04-02": "balances.1.end must lie inside the calendar",
    "calendar.balances.1.end=2021-03-27": "balances.1.end must be after its start 2021-03-27",
    "calendar.balances.1.start=2021-03-26 12:30": (
        "balances.1.start must not be before the window above it ends, 2021-03-27"
    ),
    "calendar.hours_buy.3=-1": "calendar.hours_buy.3 must be >= 0 (got -1)",
    "calendar.weekdays_browse=[1,1,1,0,1,1,1]": (
        "weekdays_browse.3 must be > 0 (got 0): nobody buys without a visit; write 0.01 for hardly"
    ),
    "calendar.weekdays_buy=[0,0,0,0,0,0,0]": "calendar.weekdays_buy must not be 0 throughout",
    "products.coffee.restocks.0.at=2021-04-20": (
        "restocks.0.at must lie inside the run, 2021-03-01 to 2021-03-29 (got 2021-04-20)"
    ),
    "products.coffee.restocks.0.at=2021-02-28 23:59": "(got 2021-02-28 23:59)",
    "products.tea.launch=2021-05-01": "tea.launch must be before calendar.end, 2021-03-29",
    "products.coffee.launch=2021-03-02": (
        "coffee.launch is for products in stage sampling only (this one is core): leave it out"
    ),
    "scenes.harvest.explore={product: tea, variants: 3, decide_at: 2021-03-29}": (
        "explore.decide_at must lie inside the run, 2021-03-01 to 2021-03-29 (got 2021-03-29)"
    ),
    "scenes.harvest.explore={product: tea, variants: 3, decide_at: 2021-03-01}": (
        "(got 2021-03-01)"
    ),
    "scenes.harvest.explore={product: tea, variants: 3, decide_at: normal}": (
        "explore.decide_at must lie inside the run, 2021-03-01 to 2021-03-29 (got 2021-03-01)"
    ),
    "scenes.harvest.explore={product: tea, variants: 3, decide_at: 2021-03-32}": (
        "explore.decide_at must be a date such as 2020-11-11 or 2020-11-11 20:00"
    ),
}


@pytest.mark.parametrize("change", TIMES)
def test_times_fit_each_other(change):
    assert any(TIMES[change] in line for line in complaints(change)), complaints(change)


def test_shops_that_let_no_unit_out_are_refused():
    said = complaint("products.coffee.pooled={units: 4, share: 20%}")
    rule = "products.coffee.pooled lets online orders take no unit (20% of 4 units)"
    assert said.endswith(f"{rule}: raise units or share, or leave it out")
    one = parse_scenario(SHOP.encode(), sets=["products.coffee.pooled={units: 5, share: 20%}"])
    assert one.products["coffee"].pooled is not None


def test_a_run_without_phases():
    text = changed("  phases:\n", "  phases: {}\n")
    kept = [line for line in text.splitlines() if "{start: 2021-03-2" not in line or "end" in line]
    kept = [line for line in kept if "normal: {start" not in line]
    assert any(
        "calendar.phases must have at least one phase" in x
        for x in complaints(text="\n".join(kept))
    )


def test_a_run_is_shorter_than_the_time_in_which_customers_lapse():
    said = complaint("chain.lapse_days=40")
    assert "calendar.end is too late: the run lasts 58 days with 30 days of run-off" in said
    assert "more than chain.lapse_days (40); advertise 10 days at most, or raise lapse_days" in said
    assert "settle refunds sooner" in complaint("chain.lapse_days=20")
    said = complaint("chain.new_customer_window_days=200")
    assert "new_customer_window_days must be >= lapse_days + 58 = 238" in said


def test_the_run_off_lasts_until_sales_refunds_and_signatures_are_over():
    def days(*sets: str) -> int:
        return runoff_days(parse_scenario(SHOP.encode(), sets=sets))

    slow, closed = "commerce.refund_slow_days=16", "calendar.sales_after_days=7"
    assert days() == 30
    soon = "slots.focus.make_good_days=7"
    assert days(closed, soon) == 25  # 60% of refunds: Gamma(4), mean 8 days
    assert days(slow) == 50
    late = "segments.members.order_delay_days=14"  # 95% of the last visits' orders in 42 days
    assert (days(late), days(late, closed, "slots.focus.make_good_days=7")) == (72, 49)
    quick = ("commerce.refund_slow_days=0.1", "commerce.refund_fast_days=0.1")
    assert days(closed, "slots.focus.make_good_days=7", *quick) == 7


def test_what_is_owed_is_served_while_the_shop_is_open():
    found = complaint("slots.focus.make_good_days=40")
    assert "slots.focus.make_good_days reaches beyond the close of sales, 30 days after" in found
    assert "30 days are left after its last phase" in found
    early = ["slots.focus.packages.opening.phases=[presale]", "slots.focus.make_good_days=33"]
    parse_scenario(SHOP.encode(), sets=early)  # 3 days before the end
    parse_scenario(
        SHOP.encode(), sets=["slots.focus.make_good_days=40", "slots.focus.remedy=refund"]
    )


@pytest.mark.parametrize("days", [12, 30.25, 51])
def test_checks_and_clock_know_one_run_off(days):
    scenario = parse_scenario(SHOP.encode(), sets=[f"segments.members.order_delay_days={days / 3}"])
    steps = make_grid(scenario)
    assert len(steps) - steps.advertising == runoff_days(scenario)


# --------------------------------------------------------------------------- people and goods
NUMBERS = {
    "segments.shoppers.start.keen=95%": (
        "start must sum to at most 100% (sums to 104%): the rest is outside"
    ),
    "segments.shoppers.start.outside=50%": (
        "start.outside must be the rest of the people, 91%, or be left out"
    ),
    "chain.reference_mix.keen=5%": "chain.reference_mix must sum to 100% (sums to 104%)",
    "products.coffee.stock=-1": "products.coffee.stock must lie in 0..1e+12 (got -1)",
    "products.coffee.price=1e12": "products.coffee.price must lie in 0.01..1e+09 (got 1e+12)",
    "segments.members.people=1e300": "segments.members.people must lie in 1..1e+10",
    "segments.members.ctr=1e9": "segments.members.ctr must lie in 0.001..1000 (got 1e+09)",
    "slots.words.opportunities=1e15": "slots.words.opportunities must lie in 1..1e+12",
    "slots.focus.packages.opening.impressions=0": (
        "opening.impressions must lie in 1..1e+12 (got 0)"
    ),
    "slots.focus.packages.opening.phases=[]": "opening.phases must name at least one phase",
    "slots.focus.packages.opening.cpm=1e9": "opening.cpm must lie in 0.01..1e+06",
    "commerce.refund_slow_days=1e9": "commerce.refund_slow_days must lie in 0.01..365",
    "chain.discover_days=1e-9": "chain.discover_days must lie in 0.01..3650",
    "life_cycle.quality=[1, 1, 0, 1, 1, 1]": (
        "life_cycle.quality.2 must be > 0 (got 0): 1 changes nothing"
    ),
    "sources.mine={organic_visits: 10}": (
        "sources.mine.organic_bands must give a band above 0, or organic_visits has no effect"
    ),
    "slots.words.opportunities=1bn": (
        "opportunities must be at most 1,000 per person (is 2,273 a day for each of 440,000 people)"
    ),
    "sources.search.organic_visits=100m": "organic_visits must be at most 100 per person (is 227 a",
    "slots.words.positions=2.5": (
        "slots.words.positions must be a whole number (got 2.5); the nearest is 2"
    ),
    "slots.words.position_decay=[1, 0.5]": (
        "position_decay must have a click rate for each of 4 positions (has 2)"
    ),
    "slots.words.position_decay=[1, 0.5, 0.6, 0.1]": (
        "position_decay.2 must not be above that of the position before it, 0.5 (got 0.6)"
    ),
    "slots.words.position_decay=[1, 0, 0, 0]": "position_decay.1 must be > 0 (got 0)",
}


@pytest.mark.parametrize("change", NUMBERS)
def test_a_number_that_cannot_be_meant(change):
    assert any(NUMBERS[change] in line for line in complaints(change)), complaints(change)


def test_somebody_must_buy():
    never = [f"chain.buy_propensity.{stage}=0" for stage in CHAIN_STAGES]
    assert "buy_propensity must be above 0 for a stage of reference_mix" in complaint(*never)


def test_free_visits_look_at_something():
    said = complaint("products.coffee.organic=0", "products.tea.organic=0")
    assert "products.coffee.organic must be above 0 for one product" in said


EMPTY = ("segments", "products", "scenes")


@pytest.mark.parametrize("section", EMPTY)
def test_a_scenario_has_at_least_one_of_each(section):
    names = {"segments": ["shoppers", "members"], "products": ["coffee", "tea"]}
    gone = [f"{section}.{name}=null" for name in names.get(section, ["new_customer", "harvest"])]
    rule = f"{section} must have at least one {section[:-1]}"
    assert any(rule in line for line in complaints(*gone)), complaints(*gone)


def test_something_can_be_bought():
    gone = ["slots.words=null", "slots.feed=null", "slots.focus.packages.opening=null"]
    assert any(
        "slots must have at least one auction slot or package" in x for x in complaints(*gone)
    )


# --------------------------------------------------------------------------- scenes
@pytest.mark.parametrize("mode", ["custom_bid", "cost_control", "roi_control"])
def test_a_bid_by_target_has_one(mode):
    said = complaint(f"scenes.harvest.bid.mode={mode}")
    assert f"scenes.harvest.bid.target is required by {mode}" in said
    assert ("[gmv per CNY]" if mode == "roi_control" else "[CNY per order]") in said
    assert parse_scenario(
        SHOP.encode(), sets=[f"scenes.harvest.bid.mode={mode}", "scenes.harvest.bid.target=3"]
    )


def test_a_target_beside_max_amount_is_no_fault():
    assert parse_scenario(SHOP.encode(), sets=["scenes.harvest.bid.target=3"])


SCENES = {
    "scenes.harvest.slots=[focus]": None,
    "scenes.new_customer.slots=[focus]": (
        "slots must hold an auction slot, or a contract slot with a package of this scene"
    ),
    "scenes.new_customer.slots=[]": "scenes.new_customer.slots must name at least one slot",
    "scenes.new_customer.audience={outside: 0, aware: 0, active: 0}": (
        "audience must give a band above 0"
    ),
    "scenes.new_customer.products={tea: 0}": (
        "products must give a product a weight above 0, or be left"
    ),
}


@pytest.mark.parametrize("change", SCENES)
def test_a_scene_can_spend_its_money(change):
    if SCENES[change] is None:
        assert parse_scenario(SHOP.encode(), sets=[change])
    else:
        assert SCENES[change] in complaint(change)


# --------------------------------------------------------------------------- plans
PLANS = {
    "plans.half.harvest=60%": (
        "plans.half must share out at most 100% of the budget (shares 110%); divide each by 1.1"
    ),
    "plans.money.new_customer=20%": (
        "plans.money.new_customer is a share (20%) among amounts of money: write all as one or"
    ),
    "plans.money.new_customer=100%": "plans.money.new_customer is a share (100%) among amounts",
    "plans.half={harvest: 150%}": (
        "plans.half.harvest must be at most 100% of the budget (got '150%')"
    ),
    "plans.money.new_customer=60k": (
        "plans.money spends 10,000 CNY more than the budget of 100,000 CNY: lower it, or raise"
    ),
    "plans.half.harvest=5%": (
        "plans.half does not fit: scene 'harvest' has 5,000 CNY but its package 'focus.opening' "
        "costs 10,000 CNY; give the scene more or leave the package out"
    ),
    "plans.bare.packages=[focus.opening]": None,
}


@pytest.mark.parametrize("change", PLANS)
def test_a_plan_fits_the_budget(change):
    if PLANS[change] is None:
        assert parse_scenario(SHOP.encode(), sets=[change])
    else:
        assert PLANS[change] in complaint(change)


def test_a_plan_is_placed_where_it_was_written():
    lines = complaints(text=changed("half: {new_customer: 50%", "half: {new_customer: 80%"))
    assert lines[0].startswith("shop.yaml:36:9: plans.half must share out")
    lines = complaints(text=changed("money: {new_customer: 40k", "money: {new_customer: 40%"))
    assert lines[0].startswith("shop.yaml:37:25: plans.money.new_customer is a share (40%)")


def test_the_money_of_a_plan_is_set_as_a_whole():
    sets = ["plans.money={harvest: 50%}", "plans.mine={new_customer: 10%, harvest: 20%}"]
    plans = parse_scenario(SHOP.encode(), sets=sets).plans
    assert (plans["money"].scenes, plans["money"].packages) == ({"harvest": 0.5}, "all")
    assert plans["mine"].scenes == {"new_customer": 0.1, "harvest": 0.2}
    plans = parse_scenario(SHOP.encode(), sets=["plans={bare: {new_customer: 30%}}"]).plans
    assert (plans["bare"].scenes, plans["bare"].packages) == ({"new_customer": 0.3}, "none")
    plans = parse_scenario(SHOP.encode(), sets=["plans.bare={packages: all}"]).plans
    assert (plans["bare"].scenes, plans["bare"].packages) == ({"harvest": 10_000}, "all")


def test_what_is_no_money_is_placed_in_the_short_form_of_a_plan():
    text = "plans.half={new_customer: 10%, harvest: much}"
    (line,) = complaints(text)
    assert line.startswith(f"--set {text}:1:41: plans.half.harvest must be a number such as 40,")


def test_one_number_of_a_plan_is_set_among_the_others():
    plans = parse_scenario(SHOP.encode(), sets=["plans.half.harvest=40%"]).plans
    assert plans["half"].scenes == {"new_customer": 0.5, "harvest": 0.4}


def test_a_plan_that_is_set_is_placed_in_its_text():
    text = "plans.half={new_customer: 80%, harvest: 50%}"
    assert complaints(text)[0].startswith(f"--set {text}:1:12: plans.half must share out at most")


def test_signed_packages_come_out_of_the_same_budget():
    said = complaint(
        "slots.focus.packages.opening.signed=true", "plans.money=null", "plans.bare=null"
    )
    assert "10,000 CNY more than the budget of 100,000 CNY, signed packages included" in said


# --------------------------------------------------------------------------- without plans
GONE = ("plans.half=null", "plans.money=null", "plans.bare=null")


def budgets(new_customer, harvest):
    """Settings of a file without plans whose scenes have budgets."""
    scenes = {"new_customer": new_customer, "harvest": harvest}
    return [*GONE, *(f"scenes.{name}.budget={money}" for name, money in scenes.items())]


def test_without_plans_the_even_split_must_fit():
    assert [plan.name for plan in plans_of(parse_scenario(SHOP.encode(), sets=GONE))] == ["even"]
    said = complaint(*GONE, "budget=9k")
    assert "budget is too small for the even split: the packages cost more than the budget" in said


def test_without_plans_the_budgets_of_the_scenes_are_the_plan():
    scenario = parse_scenario(SHOP.encode(), sets=budgets("40k", "50k"))
    (plan,) = plans_of(scenario)
    written = PlanEntry.model_validate({"new_customer": 40_000, "harvest": 50_000})
    assert plan == Plan.from_entry(scenario, "current", written)
    assert plan.packages == {"focus.opening"}
    assert plan.total(scenario) == pytest.approx(90_000)  # of 100k: the rest is not spent
    assert sum(plan.money["harvest"].values()) == pytest.approx(40_000)
    assert list(plan.money["harvest"]) == ["presale", "sale"]


def test_a_scene_may_have_a_budget_of_nothing():
    (plan,) = plans_of(parse_scenario(SHOP.encode(), sets=budgets("0", "50k")))
    assert (sum(plan.money["new_customer"].values()), plan.auction_money) == (0, 40_000)


def test_plans_go_before_the_budgets_of_scenes():
    sets = ["scenes.new_customer.budget=1m"]
    named = [plan.name for plan in plans_of(parse_scenario(SHOP.encode(), sets=sets))]
    assert named == ["half", "money", "bare"]


UNFIT = {
    ("60k", "50k"): (
        "scenes have budgets that spend 10,000 CNY more than the budget of 100,000 CNY: lower "
        "some, or raise it"
    ),
    ("40k", "5k"): (
        "scenes.harvest.budget must pay the packages of the scene, 10,000 CNY (got 5,000)"
    ),
    ("null", "50k"): (
        "scenes.new_customer.budget is required, for other scenes have one and no plan is named; "
        "0 gives the scene nothing"
    ),
    ("-1", "50k"): "scenes.new_customer.budget must be >= 0 (got -1)",
}


@pytest.mark.parametrize("money", UNFIT)
def test_the_budgets_of_the_scenes_fit_the_budget(money):
    assert complaint(*budgets(*money)) == UNFIT[money]


def test_a_budget_of_a_scene_is_placed_where_it_was_written():
    text = changed("segments: [shoppers]}", "segments: [shoppers], budget: 20k}")
    (line,) = complaints(*GONE, text=text)
    assert line.startswith("shop.yaml:34:12: scenes.harvest.budget is required")
    (line,) = complaints(*GONE, "scenes.harvest.budget=5k", text=text)
    assert line.startswith("--set scenes.harvest.budget=5k:1:23: scenes.harvest.budget must pay")


def test_signed_packages_are_paid_beside_the_budgets_of_scenes():
    sets = ["slots.focus.packages.opening.signed=true", *budgets("40k", "55k")]
    said = complaint(*sets)
    assert "spend 5,000 CNY more than the budget of 100,000 CNY, signed packages included" in said
    assert parse_scenario(SHOP.encode(), sets=[*sets, "scenes.harvest.budget=50k"])


def test_the_current_plan_needs_every_budget():
    scenario = parse_scenario(SHOP.encode(), sets=["scenes.harvest.budget=50k"])
    with pytest.raises(UserError, match="plan 'current': every scene must have a budget"):
        Plan.current(scenario)


# --------------------------------------------------------------------------- size
def test_a_clock_that_is_too_fine_for_the_run():
    said = complaint("calendar.phases.normal.clock=30s")
    assert "calendar.phases make" in said
    assert "steps, above 20,000: give phases a longer clock" in said


def test_a_scenario_that_is_too_large():
    crowd = "".join(f"  s{n}: {{people: 1k}}\n" for n in range(900))
    text = changed("  members: {people: 40k}\n", crowd + "  members: {people: 40k}\n")
    said = complaint("calendar.phases.normal.clock=10min", text=text)
    assert "make a run too large:" in said
    assert "give phases a longer clock" in said
    scenes = [f"scenes.t{n}={{audience: {{aware: 1}}, slots: [feed, words]}}" for n in range(4)]
    found = complaints(*scenes, text=text)
    assert any(
        "placements (scene x slot x segment), above 5,000: merge some" in line for line in found
    )


def test_too_many_entries():
    crowd = "".join(f"  s{n}: {{people: 1k}}\n" for n in range(1001))
    text = changed("  members: {people: 40k}\n", crowd).replace(
        "segments: [shoppers]", "segments: [s1]"
    )
    found = complaints(text=text)
    assert any(
        "segments make 1,002 entries, above 1,000: merge some of them" in line for line in found
    )


# --------------------------------------------------------------------------- uploads
def test_an_uploaded_file_may_extend_presets_only(tmp_path):
    text = SHOP.replace("extends: [", "extends: [./base.yaml, ")
    said = complaint(text=text)
    assert "may name presets only here" in said


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("commerce.discount_rate=0", "commerce.discount_rate must be > 0"),
        ("chain.base_moves.engage.enthuse=100%", "must be < 1: in 30 days nobody would be left"),
    ],
)  # fmt: skip
def test_what_has_no_finite_meaning_is_told(setting: str, message: str):
    assert message in complaint(setting)


def test_a_slip_in_the_scene_of_a_package_is_told_where_its_price_hangs_on_the_scene():
    package = "packages: {p: {impressions: 9m, phases: [sale], scene: harvst}}"
    slot = f"{{preset: focus_picture, source: recommend, opportunities: 1m, {package}}}"
    assert "names no scene: 'harvst', did you mean 'harvest'?" in complaint(f"slots.focus={slot}")


def test_a_phase_that_is_dated_by_a_setting_stays_behind_the_one_above_it():
    at = complaint("calendar.phases.sale.start=2021-03-10")
    assert "calendar.phases.sale.start must not be before the phase above it" in at


def test_a_package_has_one_price_whatever_preset_it_comes_from():
    """What is signed is paid: a spread of prices would take a plan beyond its budget."""
    slot = "kind: contract, source: recommend, opportunities: 1m, ctr: 1%, cvr: 1%, cpm: {value: 60, sd: 10%}"
    words = complaint(f"slots.focus={{{slot}}}")
    assert "slots.focus.cpm" in words
