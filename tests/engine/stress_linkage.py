"""A small scenario that strains what bought and free traffic do to one another."""

from tests.engine.stress import Data, rush


def linked() -> Data:
    """Bought visits replace free ones; whole-site scenes share products, one at its cap; so is a partner."""
    data = rush()
    data["name"] = "linked"
    data["scenes"] = {name: data["scenes"][name] for name in ("new", "sale", "keep", "swift")}
    data["scenes"]["sale"] |= {
        "bid": {"mode": "roi_control", "target": 4, "counts_organic": True},
        "organic_boost": 0.8,
    }
    data["scenes"]["new"] |= {"organic_boost": 0.3}
    data["scenes"]["whole"] = {
        "audience": {"aware": 0.6, "active": 1, "lapsed": 0.5},
        "slots": ["words", "stream"],
        "bid": {"mode": "roi_control", "target": 3, "counts_organic": True},
        "products": {"z": 1, "y": 3},
        "organic_boost": 3,
        "pacing": "quick",
    }
    data["sources"]["search"]["cannibalisation"] = 0.3
    data["sources"]["feed"]["cannibalisation"] = 0.05
    data["life_cycle"] |= {
        "organic_conversion": 0.6,
        "organic_orders_scale": 20,
        "organic_boost_cap": 0.35,
        "halo": 0.3,
    }
    data["segments"]["a"]["price_elasticity"] = 1.5
    data["incentives"] = {
        "coupons": {"gift": {"merchant": 0.05, "platform": 0.04, "order_value": 1.1, "refund": 1.2}}
    }
    data["attribution"] = {"model": "even", "window_days": 7}
    data["commissions"] = {
        "taoke": {
            "source": "feed", "visits": 800, "bands": {"active": 1, "customers": 3}, "cvr": 0.06,
            "rate": 0.15, "cap": 2500, "products": {"y": 2, "z": 1},
        },
        "star": {
            "source": "search", "visits": 500, "bands": {"outside": 1, "aware": 1}, "cvr": 0.02,
            "rate": 0.1, "fee": 3000, "phases": ["presale", "day"],
        },
    }  # fmt: skip
    return data


def with_regulars() -> Data:
    """The same with customers who order by habit, which no scene and no partner brings about."""
    data = linked()
    data["chain"]["repeat"] = {"rate_365": 12, "tau_months": 5, "event_factor": 0.7}
    return data


def short_of_goods() -> Data:
    """The same with goods that run out, and none to come or to come back."""
    data = linked()
    data["commerce"] = data.get("commerce", {}) | {"resale": 0, "refund_fast_share": 0}
    for product in data["products"].values():
        product |= {"stock": 150, "restocks": []}
    return data


def signed(*, elastic: bool) -> Data:
    """The linked shop where some order days after their visit, with a product test among the scenes."""
    data = linked()
    data["name"] = "signed"
    data["segments"]["a"]["price_elasticity"] = 1.5 if elastic else 0
    data["segments"]["b"]["order_delay_days"] = 3
    data["scenes"]["new"]["explore"] = {
        "product": "y", "variants": 4, "sd": 0.4, "decide_at": "day"
    }  # fmt: skip
    return data
