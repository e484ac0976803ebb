"""Moments beside the calendar at which things change: a step of the clock ends there, however long it is."""

from datetime import datetime

from simulator.scenario.schema import Scenario


def turning_points(scenario: Scenario) -> list[datetime]:
    """Deliveries, launches, starts and ends of subsidies, and decisions of product tests."""
    products, subsidies = scenario.products.values(), scenario.incentives.subsidies.values()
    deliveries = [restock.at for product in products for restock in product.restocks]
    dates = [*(p.launch for p in products), *(x for s in subsidies for x in (s.start, s.end))]
    tests = [scene.explore for scene in scenario.scenes.values() if scene.explore]
    decisions = [test.moment(scenario.calendar) for test in tests]
    return [*deliveries, *(date for date in dates if date), *decisions]
