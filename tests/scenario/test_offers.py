"""Coupons, subsidies, guarantees and salvage values that cannot be meant are told at their place."""

import pytest

from simulator.scenario import parse_scenario
from simulator.scenario.checks import doubts_of
from tests.scenario.test_checks import SHOP, complaint, complaints


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("incentives.coupons.c={merchant: 100%}", "incentives.coupons.c.merchant must be < 1"),
        ("incentives.coupons.c={phases: [sale]}", "incentives.coupons.c has no effect"),
        ("incentives.coupons.c={order_value: 1.2}", "order_value must be 1 where nobody pays for larger baskets"),
        ("incentives.coupons.c={platform: 5%, phases: [sail]}", "names no phase: 'sail', did you mean 'sale'?"),
        ("incentives.coupons.c={platform: 5%, products: [te]}", "names no product: 'te', did you mean 'tea'?"),
        ("incentives.subsidies.s={rate: 10%, quota: 1k, start: 2021-04-01}", "must be before calendar.end"),
        ("incentives.subsidies.s={rate: 10%, quota: 1k, start: 2021-03-09, end: 2021-03-08}",
         "must be after its start 2021-03-09"),
        ("incentives.subsidies.s={rate: 10%, quota: -1}", "incentives.subsidies.s.quota must be >= 0"),
        ("incentives.rebates.r={rate: 10%, scenes: [harvst]}", "did you mean 'harvest'?"),
        ("incentives.roi_guarantees.g={scenes: [], target: 2}", "must name a scene"),
        ("incentives.roi_guarantees.g={scenes: [harvest], target: 0}", "must be > 0"),
        ("incentives.hosted.h={fee: 10%, guaranteed_gmv: 0}", "must be > 0"),
        ("incentives.subsidies.a b={rate: 1%, quota: 1}", "is no name"),
        ("products.coffee.salvage=10", "needs the product's stock: how many units can be left?"),
        ("segments.members.price_elasticity=-1", "must be >= 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(setting: str, message: str):
    assert message in complaint(setting)


def test_nobody_clears_stock_above_its_price():
    found = complaint("products.coffee.salvage=130", "products.coffee.stock=100")
    assert "products.coffee.salvage must be at most the price, 120 CNY (got 130)" in found


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("subsidies.a={rate: 1%, quota: 9, products: [tea]}", "subsidies.b={rate: 1%, quota: 9}", "tea"),
        ("hosted.a={fee: 1%, guaranteed_gmv: 9}", "hosted.b={fee: 1%, guaranteed_gmv: 9}", "coffee"),
        ("roi_guarantees.a={scenes: [harvest], target: 2}",
         "roi_guarantees.b={scenes: [harvest], target: 3}", "harvest"),
    ],
)  # fmt: skip
def test_a_thing_stands_in_one_rule_of_a_kind(first: str, second: str, one: str):
    found = complaints(f"incentives.{first}", f"incentives.{second}")
    assert len(found) == 1
    assert f"must not hold '{one}', which is in 'a' already" in found[0]


MET = "it pays although the bid is met"


@pytest.mark.parametrize(
    ("target", "bid", "guarantee", "words"),
    [
        (4, "", "target: 4", []),
        (4, "", "target: 5", [f"target is above the return that is bid for, 4 (got 5): {MET}"]),
        (4, "", "target: 5, organic: true", []),  # counts more than the bid does
        (4, ", counts_organic: true", "target: 3", [f"organic leaves out free sales, which scene 'harvest' "
                                                    f"counts as reached for its target: {MET}"]),
        (4, ", counts_organic: true", "target: 3, organic: true", []),
        (4, ", counts_organic: true", "target: 5, organic: true", ["target is above the return"]),
        (4, ", counts_organic: true", "target: 5", ["target is above", "organic leaves out"]),
    ],
)  # fmt: skip
def test_a_guarantee_that_pays_for_what_is_bid_is_doubted(target, bid, guarantee, words):
    name = "incentives.roi_guarantees.g"
    sets = [f"scenes.harvest.bid={{mode: roi_control, target: {target}{bid}}}",
            f"{name}={{scenes: [harvest], {guarantee}}}"]  # fmt: skip
    found = [str(doubt) for doubt in doubts_of(parse_scenario(SHOP.encode(), sets=sets))]
    assert len(found) == len(words)
    assert all(any(f"{name}.{word}" in line for line in found) for word in words)


def test_scenes_that_bid_for_no_return_have_none_to_be_held_against():
    both = "{scenes: [harvest, new_customer], target: 5}"
    sets = ["scenes.harvest.bid={mode: roi_control, target: 4}",
            f"incentives.roi_guarantees.g={both}"]  # fmt: skip
    assert doubts_of(parse_scenario(SHOP.encode(), sets=sets)) == []


def test_no_scene_gets_more_back_than_it_spends():
    rates = ["rebates.a={rate: 60%, products: [tea]}", "rebates.b={rate: 50%, scenes: [harvest]}"]
    found = complaints(*(f"incentives.{rate}" for rate in rates))
    assert len(found) == 1
    assert "incentives.rebates.b.rate must leave rates of at most 100%" in found[0]
    assert "on scene 'harvest'" in found[0]
    apart = [rates[0], "rebates.b={rate: 50%, products: [coffee]}"]
    parse_scenario(SHOP.encode(), "shop.yaml", [f"incentives.{rate}" for rate in apart])


def test_all_incentives_can_stand_together():
    sets = [
        "incentives.coupons.c={merchant: 3%, platform: 5%}",
        "incentives.subsidies.s={rate: 15%, cap: 2k, quota: 5m, start: 2021-03-20, products: [coffee]}",
        "incentives.rebates.r={rate: 10%}",
        "incentives.credit={match: 30%, cap: 200, budget_below: 10k}",
        "incentives.roi_guarantees.g={scenes: [harvest], target: 2.5, organic: true}",
        "incentives.hosted.h={fee: 10%, guaranteed_gmv: 1m, products: [tea]}",
    ]
    incentives = parse_scenario(SHOP.encode(), "shop.yaml", sets).incentives
    assert incentives.rebates["r"].cap == 200_000
    assert incentives.roi_guarantees["g"].least_orders == 20


def doubts(*sets: str) -> list[str]:
    return [str(doubt) for doubt in doubts_of(parse_scenario(SHOP.encode(), sets=sets))]


def test_coupons_that_move_nobody_are_doubted():
    coupon = "incentives.coupons.c={merchant: 10%}"
    (found,) = doubts(coupon)
    assert "incentives.coupons cost money and move nobody: price_elasticity is 0" in found
    assert doubts(coupon, "segments.members.price_elasticity=2") == []


def test_a_host_is_not_asked_to_pay_for_goods_that_were_never_there():
    hosted = "incentives.hosted.h={fee: 10%, guaranteed_gmv: 1m, products: [coffee]}"
    (found,) = doubts(hosted, "products.coffee.stock=100")
    assert "guaranteed_gmv is more than all hosted goods in stock bring, CNY 135,107" in found
    assert doubts(hosted) == []
    larger = [f"segments.{g}.order_value=8" for g in parse_scenario(SHOP.encode()).segments]
    assert doubts(hosted, "products.coffee.stock=100", *larger[:1]) == []  # of one segment 1.08m
