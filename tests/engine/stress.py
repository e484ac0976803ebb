"""Two small scenarios that strain the rules, and a plan that spends on everything."""

from typing import Any

from simulator.scenario.plan import Plan, all_packages
from simulator.scenario.schema import Scenario

Data = dict[str, Any]


def plan(scenario: Scenario) -> Plan:
    """Every package, and the budget in growing parts over scenes and phases."""
    phases = list(scenario.calendar.phases)
    cells = {
        scene: {
            phase: 1.0 + i + 0.5 * f
            for f, phase in enumerate(phases)
            if not facts.phases or phase in facts.phases
        }
        for i, (scene, facts) in enumerate(scenario.scenes.items())
    }
    unit = scenario.budget / sum(sum(money.values()) for money in cells.values())
    money = {scene: {f: x * unit for f, x in part.items()} for scene, part in cells.items()}
    return Plan("stress", money, frozenset(all_packages(scenario)))


def rush() -> Data:
    """All bid modes and mechanisms, both pacings, two balance windows, a launch, shocks."""
    return {
        "name": "rush",
        "budget": 200e3,
        "calendar": {
            "end": "2020-11-15 10:30",
            **hours(),
            "balances": [
                {"start": "2020-11-03 06:00", "end": "2020-11-04 03:00", "completion": 0.85},
                {"start": "2020-11-11", "end": "2020-11-12 00:30", "completion": 0.95},
            ],
            "phases": {
                "warm": {"start": "2020-10-25 20:00"},
                "presale": {
                    "start": "2020-11-01",
                    "traffic": 1.3,
                    "cpm": 1.2,
                    "ctr": 0.9,
                    "deposit": 0.6,
                    "deposit_release": 0.05,
                    "cart": 2,
                    "cvr": 0.6,
                    "clock": "7h",
                },
                "day": {
                    "start": "2020-11-10 22:00",
                    "traffic": 3,
                    "cpm": 2,
                    "cvr": 2,
                    "refund": 1.4,
                    "release": 0.4,
                    "payment_load": 2,
                    "clock": "1h",
                    "burst": {},
                },
                "after": {
                    "start": "2020-11-12 08:00",
                    "traffic": 0.8,
                    "burst": {"share": 0.3, "extra": 0.25},
                },
            },
        },
        "segments": {
            "a": {"people": 3e5, "activity": 1.5, "cpm": 1.2, "start": mix(1.0)},
            "b": {"people": 5e5, "cvr": 0.7, "order_value": 0.8, "ctr": 1.1, "start": mix(0.4)},
        },
        "chain": chain(),
        "products": {
            "x": {"price": 120, "margin": 0.6, "presale": True, "discount": {"day": 0.2}},
            "w": {"price": 70, "margin": 0.5, "product_stage": "launch", "organic": 0.5},
            "y": {"price": 60, "margin": 0.5, "product_stage": "hit", "organic": 2},
            "z": {
                "price": 90,
                "margin": 0.4,
                "product_stage": "sampling",
                "launch": "2020-11-02",
                "luck_sd": 0.5,
                "presale": True,
                "deposit": 0.2,
            },
        },
        "life_cycle": {"category_orders": 60},
        "sources": sources(),
        "slots": {
            "words": {**auction("search", 4e5, 60), "mechanism": "gsp", "positions": 3},
            "stream": auction("feed", 2e6, 25),
            "out": {**auction("feed", 1e6, 15), "mechanism": "first_price"},
            "hall": {**auction("feed", 5e5, 30), "mechanism": "vcg", "positions": 2},
            "floor": {**auction("search", 3e5, 20), "reserve_cpm": 14},
            "first": {**auction("feed", 3e5, 20), "mechanism": "first_price", "reserve_cpm": 9},
        },
        "scenes": {
            "brand": {
                "audience": {"outside": 0.3, "aware": 0.1},
                "slots": ["out", "stream"],
                "bid": {"cost_per": "impression"},
            },
            "new": {
                "audience": {"outside": 0.2, "aware": 0.8, "active": 0.8},
                "slots": ["words", "stream"],
                "bid": {"mode": "cost_control", "cost_per": "first_order", "target": 90},
            },
            "sale": {
                "audience": {"aware": 0.5, "active": 1, "customers": 0.5},
                "slots": ["words", "stream", "out"],
                "bid": {"mode": "roi_control", "target": 2},
                "products": {"x": 1, "z": 2},
                "creative": 1.2,
            },
            "keep": {
                "audience": {"customers": 1, "lapsed": 1},
                "slots": ["words"],
                "segments": ["a"],
                "bid": {"mode": "custom_bid", "cost_per": "click", "target": 1.5},
                "pacing": "quick",
            },
            "swift": {
                "audience": {"aware": 1, "active": 1},
                "slots": ["stream", "words"],
                "bid": {"cost_per": "cart"},
                "pacing": "quick",
                "prediction": 0.2,
            },
            "held": {
                "audience": {"active": 0.7},
                "slots": ["words", "out"],
                "bid": {"mode": "cost_control", "cost_per": "order", "target": 40},
                "pacing": "quick",
                "phases": ["day"],
            },
            "seen": {
                "audience": {"outside": 0.5},
                "slots": ["stream"],
                "bid": {"mode": "cost_control", "cost_per": "impression", "target": 20},
                "prediction": 0,
            },
            "clicks": {
                "audience": {"outside": 0.5, "lapsed": 0.5},
                "slots": ["stream", "words"],
                "bid": {"mode": "cost_control", "cost_per": "click", "target": 2.0},
            },
            "rest": {
                "audience": {"outside": 0.4, "aware": 0.6, "customers": 0.3},
                "slots": ["hall", "floor", "first"],
                "bid": {"mode": "cost_control", "cost_per": "order", "target": 60},
            },
        },
        "service_score": 4.8,
        "chance": {"demand_sd": 0.2},
    }


def crowds() -> Data:
    """The rush among members, companies and people overseas, who buy and return in their own ways."""
    data = rush()
    start = mix(0.8)
    data["segments"] |= {
        "members": {
            "people": 1e5, "breadth": 5, "spend": 9, "new_product_affinity": 1.3,
            "refund": 1.5, "return_freight": 12, "start": start,
        },
        "companies": {
            "people": 5e4, "order_delay_days": 6, "order_value": 4, "refund": 0.3, "start": start,
        },
        "overseas": {
            "people": 5e4, "returns_borne_by": "platform", "refund": 2, "new_product_affinity": 0.8,
            "start": start,
        },
    }  # fmt: skip
    data["personalisation"] = 1.15
    fans = {
        "source": "feed",
        "days": ["2020-11-07", "2020-11-08"],
        "audience": {"active": 0.9, "customers": 0.6},
    }
    data["pushes"] = {
        "weekend": fans | {"reach": 0.9, "ctr": 0.5},
        "opening": {
            "source": "search", "days": ["2020-11-11"], "audience": {"customers": 0.8, "lapsed": 0.5},
            "segments": ["a", "companies"], "reach": 0.7, "ctr": 0.4, "cost": 0.1,
        },
    }  # fmt: skip
    data["scenes"]["new"] |= {
        "personalisation": 1.3,
        "creative_by_band": {"outside": 1.4, "active": 0.7},
    }
    data["scenes"]["keep"]["creative_by_band"] = {"customers": 1.6, "lapsed": 0.8}
    data["scenes"]["sale"] |= {"personalisation": 1.8, "budget_kind": "cycle"}
    data["scenes"]["clicks"] |= {"budget_kind": "daily", "daily_cap": 700}
    data["scenes"]["swift"] |= {"budget_kind": "daily"}
    data["scenes"]["rest"]["daily_cap"] = 900
    data["scenes"]["sale"]["product_stages"] = {"sampling": 2, "launch": 1, "core": 0.5, "hit": 0.2}
    data["scenes"]["clicks"]["product_stages"] = {"clearance": 1}
    data["scenes"]["seen"] |= {"budget_kind": "cycle", "daily_cap": 1200, "phases": ["warm", "day"]}
    return data


def moved() -> Data:
    """The rush bought by the person moved into a stage, at a cost or at any."""
    data = rush()
    targets = {
        "discover": 0.08,
        "engage": 2,
        "enthuse": 9,
        "perform": 8,
        "initial": 90,
        "numerous": 60,
    }
    everybody = {"outside": 0.6, "aware": 0.8, "active": 0.5, "customers": 0.7, "lapsed": 0.4}
    data["scenes"] = {
        goal: {
            "audience": everybody, "slots": ["words", "stream", "hall"],
            "bid": {"mode": "cost_control", "cost_per": goal, "target": target},
        }
        for goal, target in targets.items()
    } | {
        f"most_{goal}": {
            "audience": everybody, "slots": ["stream", "out"], "bid": {"cost_per": goal},
            "creative_by_band": {"outside": 1.3, "customers": 0.8},
        }
        for goal in ("discover", "perform", "numerous")
    }  # fmt: skip
    return data


def shown() -> Data:
    """Scarcity in which every band is shown its own pictures, in contracts too, and customers repeat by habit."""
    data = scarcity()
    data["chain"]["repeat"] = {"rate_365": 4, "tau_months": 5, "event_factor": 0.7}
    data["scenes"]["brand"]["creative_by_band"] = {"outside": 0.8, "aware": 1.5}
    data["scenes"]["few"]["creative_by_band"] = {"aware": 1.2, "active": 0.6}
    return data


def flat_bid() -> Data:
    """The same with one scene, which bids a fixed price per 1000 impressions."""
    data = rush()
    data["scenes"] = {
        "fixed": {
            "audience": {"aware": 0.6, "customers": 0.9},
            "slots": ["hall", "floor", "stream"],
            "bid": {"mode": "custom_bid", "cost_per": "impression", "target": 24},
            "prediction": 0.3,
        }
    }
    return data


def sold_out() -> Data:
    """Scarcity in which, days long, nothing is left of all that a scene promotes."""
    data = scarcity()
    data["products"]["w"]["stock"] = 30
    return data


def shelf() -> Data:
    """Scarcity with what products can be besides: rows of many items, a later generation, choices, a halo."""
    data = scarcity()
    data["life_cycle"] = {"category_orders": 15, "generation_decay": 0.2}
    data["life_cycle"] |= {"halo": 0.3, "halo_cvr": 0.06}
    data["products"]["y"] |= {"product_stage": "hit", "items": 4, "tail": 1.2, "generation": 3}
    data["products"]["w"] |= {"product_stage": "launch", "items": 12}
    data["scenes"]["brand"]["creatives"] = {"count": 12, "sd": 0.4, "test_impressions": 500}
    data["scenes"]["few"]["explore"] = {
        "product": "w",
        "variants": 5,
        "sd": 0.6,
        "decide_at": "2020-11-03 02:00",
    }
    data["scenes"]["brand"]["explore"] = {
        "product": "y",
        "variants": 2,
        "decide_at": "day",
    }
    data["scenes"]["sale"] |= {"creatives": {"count": 3, "cost": 50}, "creative": 0.9}
    return data


def busy() -> Data:
    """Scarcity where own buyers load the gate, after two top-ups of the wallets, and shops send goods."""
    data = scarcity()
    phases = data["calendar"]["phases"]
    phases["early"]["wallet_topup"] = 0.1
    phases["presale"]["wallet_topup"] = 0.3
    data["products"]["x"]["pooled"] = {"units": 150, "share": 0.5, "fulfilment": 19}
    data["products"]["y"] |= {"stock": 200, "restocks": [{"at": "2020-11-11 05:00", "units": 300}]}
    data["products"]["y"]["pooled"] = {"units": 900}
    data["shipping"] = {"per_day": 900, "late_days": 2, "late_score": 0.8, "half_life_days": 3}
    data["life_cycle"] = {"organic_score": 1.5, "halo": 0.2, "halo_cvr": 0.04}
    data["products"]["y"]["product_stage"] = "hit"
    data["shocks"] = {
        "cold": {
            "start": "2020-10-24 09:00", "end": "2020-11-09 15:00", "chance": 0.6, "days": 4,
            "demand": 2.5, "products": ["y"],
        },
        "rain": {
            "start": "2020-11-03", "end": "2020-11-14", "rate": 0.2, "days": 0.7,
            "demand": 0.8, "traffic": 1.2,
        },
        "news": {
            "start": "2020-11-10 20:00", "end": "2020-11-11 04:30", "chance": 1, "days": 1.3,
            "demand": 1.6, "segments": ["a", "c"],
        },
    }  # fmt: skip
    data["service_score"] = 4.4
    data["payment"] = {"wallet_share": 0.2, "capacity": 2500, "fail": 0.15}
    data["chain"]["repeat"] = {"rate_365": 4, "tau_months": 5, "event_factor": 0.7}
    data["chain"]["buy_propensity"]["deposit"] = 1.5  # nobody's: who paid a deposit waits
    return data


def scarcity() -> Data:
    """Contracts beyond supply in shared and own inventory, make-goods and refunds, little stock."""
    return {
        "name": "scarcity",
        "budget": 120e3,
        "calendar": {
            "end": "2020-11-15",
            **hours(),
            "balances": [{"start": "2020-11-11", "end": "2020-11-12", "completion": 0.9}],
            "phases": {
                "early": {"start": "2020-10-20"},
                "presale": {
                    "start": "2020-11-01",
                    "deposit": 0.8,
                    "deposit_release": 0.08,
                    "cart": 1.5,
                    "clock": "6h",
                    "rival_booked": 0.2,
                },
                "day": {
                    "start": "2020-11-11",
                    "traffic": 3,
                    "cpm": 2,
                    "cvr": 2,
                    "release": 0.4,
                    "payment_load": 6,
                    "rival_booked": 0.3,
                    "clock": "1h",
                    "burst": {},
                },
                "after": {"start": "2020-11-12", "traffic": 0.8},
            },
        },
        "segments": {
            "a": {"people": 2e5, "activity": 1.5, "cpm": 1.2, "start": mix(1.0)},
            "b": {"people": 4e5, "cvr": 0.7, "order_value": 0.8, "start": mix(0.5)},
            "c": {"people": 1e5, "cvr": 1.3, "activity": 2, "start": {}},
        },
        "chain": chain() | {"fatigue": 0.3, "discover_days": 7},
        "products": {
            "x": {
                "price": 120,
                "margin": 0.6,
                "presale": True,
                "stock": 300,
                "restocks": [
                    {"at": "2020-11-05 12:00", "units": 120},
                    {"at": "2020-11-11", "units": 200},
                    {"at": "2020-11-11 09:30", "units": 40},
                ],
            },
            "y": {
                "price": 60,
                "margin": 0.5,
                "product_stage": "potential",
                "organic": 2,
                "stock": 2500,
                "restocks": [{"at": "2020-11-12", "units": 3000}],
                "discount": {"day": 0.1, "after": 0.3},
            },
            "w": {
                "price": 75,
                "margin": 0.5,
                "product_stage": "clearance",
                "stock": 100_000,
                "organic": 0.2,
            },
        },
        "sources": sources(),
        "slots": {
            "words": {**auction("search", 4e5, 60), "mechanism": "gsp", "positions": 4},
            "stream": auction("feed", 2e6, 25),
            "top": {
                **contract("feed"),
                "shares": "stream",
                "packages": {
                    "sale": {"impressions": 6_000_000, "phases": ["day"], "scene": "brand"},
                    "long": {
                        "impressions": 9_000_000,
                        "phases": ["early", "day"],
                        "scene": "few",
                        "cpm": 30,
                    },
                },
            },
            "front": {
                **contract("search"),
                "shares": "stream",
                "remedy": "refund",
                "precision": 0.3,
                "packages": {
                    "back": {"impressions": 4_000_000, "phases": ["day"], "scene": "sale"},
                },
            },
            "own": {
                **contract("feed"),
                "opportunities": 300e3,
                "make_good_days": 5,
                "packages": {
                    "first": {
                        "impressions": 2_000_000,
                        "phases": ["presale"],
                        "scene": "brand",
                        "signed": True,
                    },
                    "last": {"impressions": 1_500_000, "phases": ["after"], "scene": "few"},
                },
            },
        },
        "scenes": {
            "brand": {
                "audience": {"outside": 0.3, "aware": 0.1},
                "slots": ["stream", "top", "own"],
                "bid": {"cost_per": "impression"},
            },
            "few": {
                "audience": {"aware": 0.8, "active": 0.8},
                "slots": ["words", "stream", "top", "own"],
                "segments": ["a", "c"],
                "bid": {"mode": "cost_control", "cost_per": "cart", "target": 25},
                "products": {"x": 1, "w": 1},
            },
            "sale": {
                "audience": {"active": 1, "customers": 1},
                "slots": ["words", "stream", "front"],
                "phases": ["presale", "day"],
            },
        },
        "slot_price_scarcity": 1.1,
    }


def bookings() -> Data:
    """Scarcity with packages over several slots, caps, price steps, deposits and one to cancel."""
    data = scarcity()
    slots = data["slots"]
    slots["stream"]["rival_level"] = {"presale": 1.7, "after": 0.5}
    data |= {"rivals_above": 0.5, "rival_scores": {"below": 4.3}}
    slots["top"] |= {
        "frequency_cap": 2,
        "deposit": 0.25,
        "price_steps": {
            "per_week": 0.1,
            "weeks": 3,
            "phases": {"day": 1.6},
            "sale_sensitivity": 0.5,
        },
    }
    slots["top"]["packages"]["sale"] |= {"over": ["own", "other"], "booked_at": "2020-11-03 05:00"}
    slots["front"] |= {"deposit": 0.3, "frequency_cap": 1}
    slots["own"] |= {"deposit": 0.2, "cancellation_fee": 0.4, "frequency_cap": 1}
    slots["own"]["packages"]["last"] |= {"over": ["other"], "booked_at": "2020-11-02"}
    slots["own"]["packages"]["first"]["free_visits"] = 1.4
    slots["top"]["packages"]["long"]["free_visits"] = 1.2
    slots["other"] = {**contract("search"), "opportunities": 250e3, "ctr": 0.02, "precision": 0.9}
    data["scenes"]["brand"]["slots"].append("other")
    data["scenes"]["brand"]["selection"] = {"pool": 0.6, "cvr": 1.7, "cpm": 1.3}
    data["scenes"]["sale"]["selection"] = {"cvr": 1.2, "cpm": 1.1}
    data["scenes"]["few"]["slots"].append("other")
    data["budget"] = 400e3
    return data


def contracts_alone() -> Data:
    """Bookings in a world without any auction."""
    data = bookings()
    slots = data["slots"]
    for name in ("words", "stream"):
        del slots[name]
    for name in ("top", "front"):
        slots[name] |= {"opportunities": 200e3, "shares": None}
    for scene in data["scenes"].values():
        scene["slots"] = [name for name in scene["slots"] if name in slots]
    return data


def cancelled(scenario: Scenario) -> Plan:
    """The plan that spends on everything without the packages of `own`, one of them signed."""
    every = plan(scenario)
    return Plan("cancelled", every.money, frozenset(p for p in every.packages if "own." not in p))


def bargains() -> Data:
    """Prices that move people, a subsidy that runs out within a day, and money back by every rule."""
    data = rush()
    data["segments"]["a"]["price_elasticity"] = 1.6
    data["segments"]["b"]["price_elasticity"] = 2.8
    data["calendar"]["phases"]["day"]["usual_discount"] = 0.1
    data["incentives"] = {
        "coupons": {
            "smart": {"merchant": 0.03, "platform": 0.05, "phases": ["day"], "products": ["x", "y"]},
            "threshold": {"merchant": 0.08, "platform": 0.04, "order_value": 1.2, "refund": 1.3,
                          "phases": ["day", "after"]},
            "always": {"platform": 0.02, "products": ["z"]},
        },
        "subsidies": {
            "state": {"rate": 0.15, "cap": 14, "quota": 2500, "start": "2020-11-10 12:00",
                      "products": ["x", "w"]},
            "town": {"rate": 0.1, "quota": 3e6, "end": "2020-11-12 06:00", "products": ["y"]},
        },
        "rebates": {
            "red": {"rate": 0.1, "cap": 9e3, "scenes": ["sale", "new"], "products": ["x"]},
            "small": {"rate": 0.05, "cap": 400},
        },
        "credit": {"match": 0.3, "cap": 2e3, "budget_below": 1e6},
        "roi_guarantees": {
            "site": {"scenes": ["sale", "held"], "target": 60, "organic": True},
            "rest": {"scenes": ["swift"], "target": 900, "least_orders": 900, "organic": True},
        },
        "hosted": {
            "sky": {"guaranteed_gmv": 9e6, "fee": 0.1, "products": ["w"]},
            "met": {"guaranteed_gmv": 9e3, "fee": 0.05, "products": ["x", "y"]},
        },
    }  # fmt: skip
    data["products"]["w"] |= {"stock": 30_000, "salvage": 20, "discount": {"day": 0.75}}
    data["commerce"] = {"commission": 0.04, "technology_fee": 0.006}
    data["life_cycle"] |= {"halo": 0.3, "halo_cvr": 0.06}
    data["scenes"]["sale"]["explore"] = {
        "product": "x", "variants": 4, "sd": 0.4, "decide_at": "day"
    }  # fmt: skip
    return data


def busy_bargains() -> Data:
    """Bargains in a busy shop: buyers answer to prices at a gate that is too narrow, and in any weather.

    Some of them look for what is new besides; others send much back, at the platform's cost; nobody buys at night,
    where a window ends in which all balances are paid.
    """
    data, other = bargains(), busy()
    data["segments"]["b"] |= {"refund": 2.5, "returns_borne_by": "platform"}
    data["calendar"]["hours_buy"] = [0] * 3 + [1] * 21
    data["calendar"]["balances"][0]["completion"] = 1.0
    data["life_cycle"]["price"] = [0.3, 0.35, 0.95, 1.0, 0.9, 0.2]
    data["segments"]["a"]["new_product_affinity"] = 1.3
    phases, names = data["calendar"]["phases"], list(data["products"])
    phases[next(iter(phases))]["wallet_topup"] = 0.3
    data |= {name: other[name] for name in ("payment", "shipping")}
    data["shocks"] = {
        "rain": other["shocks"]["rain"],
        "cold": other["shocks"]["cold"] | {"products": names[:1]},
        "news": other["shocks"]["news"] | {"segments": list(data["segments"])[:1]},
    }
    return data


def hours() -> Data:
    return {
        "hours_browse": [1, 1, 0.5] + [2] * 21,
        "hours_buy": [2] + [1] * 23,
        "weekdays_browse": [1, 1, 1, 1, 1, 1.3, 1.2],
        "weekdays_buy": [1] * 6 + [0.8],
    }


def mix(size: float) -> Data:
    shares = {
        "discover": 0.1,
        "engage": 0.05,
        "enthuse": 0.01,
        "favourite": 0.01,
        "cart": 0.02,
        "initial": 0.02,
        "numerous": 0.01,
        "lapsed": 0.03,
    }
    return {stage: share * size for stage, share in shares.items()}


def chain() -> Data:
    return {
        "visit_moves": {
            "outside": {"engage": 0.2, "enthuse": 0.02, "favourite": 0.02, "cart": 0.02},
            "discover": {"engage": 0.3, "enthuse": 0.03, "favourite": 0.03, "cart": 0.04},
            "engage": {"enthuse": 0.1, "favourite": 0.05, "cart": 0.07},
            "enthuse": {"favourite": 0.08, "cart": 0.1},
            "favourite": {"cart": 0.1},
            "customers": {"cart": 0.12},
        },
        "base_moves": {"outside": {"engage": 0.001}, "engage": {"enthuse": 0.01}},
        "buy_propensity": {
            "outside": 0.3,
            "discover": 0.5,
            "engage": 1,
            "enthuse": 1.5,
            "favourite": 2,
            "cart": 3,
            "initial": 2,
            "numerous": 2.5,
            "keen": 4,
            "lapsed": 1,
        },
        "reference_mix": {"outside": 0.5, "engage": 0.4, "cart": 0.1},
    }


def sources() -> Data:
    return {
        "search": {"organic_visits": 2000, "organic_bands": {"aware": 1, "customers": 3}},
        "feed": {
            "organic_visits": 900,
            "organic_bands": {"outside": 1, "active": 2, "lapsed": 1},
            "sale_sensitivity": 0.8,
            "touch": 0.7,
        },
    }


def auction(source: str, opportunities: float, median_cpm: float) -> Data:
    return {
        "kind": "auction",
        "source": source,
        "opportunities": opportunities,
        "ctr": 0.03,
        "cvr": 0.02,
        "median_cpm": median_cpm,
    }


def contract(source: str) -> Data:
    return {
        "kind": "contract",
        "source": source,
        "opportunities": 1,
        "ctr": 0.03,
        "cvr": 0.015,
        "cpm": 40,
    }
