"""From a scenario to the arrays of its world: each subject is read by its own module."""

from simulator.market.calendar import Steps
from simulator.market.choice import make_pictures, make_trials
from simulator.market.columns import column
from simulator.market.commission import make_partners
from simulator.market.free import make_free
from simulator.market.fulfilment import make_costs
from simulator.market.goods import make_goods
from simulator.market.layout import Layout
from simulator.market.media import make_media
from simulator.market.owned import make_pushes
from simulator.market.packages import make_packages
from simulator.market.people import make_people
from simulator.market.phases import make_phases
from simulator.market.promotion import make_offers
from simulator.market.scenes import make_bidding
from simulator.market.shipping import read_depot
from simulator.market.shocks import read_shocks
from simulator.market.world import World
from simulator.scenario.crowds import with_crowds
from simulator.scenario.schema import Scenario


def build_world(scenario: Scenario, steps: Steps, original: Scenario | None = None) -> World:
    """Arrays of a scenario whose uncertain numbers are drawn (`original` has their means) or certain."""
    scenario, means = with_crowds(scenario), with_crowds(original or scenario)
    layout = Layout(scenario, steps)
    pictures = make_pictures(layout)
    media = make_media(layout, pictures)
    return World(
        scenario=means, names=layout.names(), steps=steps, phases=make_phases(layout, media),
        media=media, bidding=make_bidding(layout),
        people=make_people(layout), free=make_free(layout), pushes=make_pushes(layout), goods=make_goods(layout),
        offers=make_offers(scenario, steps), packages=make_packages(layout, means),
        partners=make_partners(layout), costs=make_costs(scenario), depot=read_depot(scenario),
        shocks=read_shocks(scenario, steps),
        scarcity=column([scenario.slot_price_scarcity]), pictures=pictures,
        trials=make_trials(layout),
    )  # fmt: skip
