"""What a step's media brings: its tally by use and segment, and what of it sales need to know."""

from dataclasses import dataclass

import numpy as np

from simulator.engine.floor import Floor
from simulator.market.audience import Contact, by_band, deciding
from simulator.market.basket import filling
from simulator.market.media import Media


class Tally:
    """What money has brought in this step: [use, segment, lane]; steps 3 to 6 fill it in their order."""

    def __init__(self, floor: Floor, media: Media) -> None:
        """`media`: the uses that are open."""
        world, lanes, segments = floor.world, floor.lanes, len(floor.world.names.segments)
        self.replaces = bool(media.replaces.any())
        """Bought visits replace free ones."""
        self.rows = np.zeros((4 + self.replaces, len(media.scene), segments, lanes))
        self.clicks, self.impressions, self.visits, self.buys = self.rows[:4]
        pulls = floor.today.halo is not None
        buyers, apart = len(floor.buyers), segments if floor.by_segment else 1
        self.looks = np.zeros(self.clicks.shape if pulls else (1, 1, 1))
        """Paid visits that went on to another product: [use, segment, lane]."""
        ways = len(world.names.scenes) + 1
        self.halo_buys = np.zeros((ways, buyers, apart, lanes) if pulls else (1, 1, 1, 1))
        self.people = np.zeros((0, segments, lanes))
        """People as the step finds them: [band, segment, lane]."""
        self.deciding = np.zeros((0, segments, lanes))
        """Those of them who may order on a visit, each as ready as their stage is; likewise."""
        self.filling = np.zeros((0, segments, lanes))
        """Baskets that they fill per touch; likewise."""
        self.touches: np.ndarray | None = None
        """Visits by the baskets they fill, of strangers and of customers, each as strong as its source touches, without
        further looks: [scene, who, segment, lane]; None where there were none, or once they have been counted.
        """
        self.paid_visits = np.zeros(lanes)
        """Visits, further looks included: [lane]."""
        self.booked = False
        """Contract impressions are shown in this step."""
        self.advertised = False
        """Any impressions are."""

    def look(self, floor: Floor) -> None:
        """Whom the step finds."""
        crowd, people = floor.state.crowd, floor.world.people
        self.people = by_band(crowd.n)
        self.deciding = deciding(crowd.n, people.propensity)
        self.filling = filling(floor.state.baskets, crowd, people)

    def clear(self) -> None:
        """Nothing was shown."""
        self.clicks[...] = self.visits[...] = self.buys[...] = 0.0
        self.looks[...] = self.halo_buys[...] = 0.0
        self.touches = None
        self.paid_visits = np.zeros(self.paid_visits.shape)


@dataclass
class Met:
    """What a step's media brought."""

    contact: Contact
    free_buys: np.ndarray
    """Free buying visits by the readiness of their visitors: [buyers, segment, lane], as the floor keeps strangers
    and customers, and segments apart.
    """
    scene_buys: np.ndarray
    """Paid ones: [scene, buyers, segment, lane], likewise."""
    paid: tuple[np.ndarray, np.ndarray] | None
    """Parts of touches and of buying visits that each scene paid for: [scene, band, segment, lane] each. Who
    orders late has no part here: the touches of today are not theirs.
    """
    owners: np.ndarray | None
    """Part of the orders on visits, late ones included, that each scene paid for: [scene, band, segment, lane]."""
    shown: tuple[np.ndarray, np.ndarray]
    """People, and paid impressions of each of them: [band, segment, lane] each."""
    visits: np.ndarray
    """All visits: [lane]."""
    halo_buys: np.ndarray | None
    """Buying looks at other products after a hit: [way, buyers, segment, lane]; None without a halo."""
    guest_buys: np.ndarray | None
    """Buying visits of commissioned media: [partner, buyers, segment, lane]; None where there is none."""
    guest_share: np.ndarray | None
    """Part of the buying visits that it brought: [band, segment, lane]; None where nobody follows orders."""
    filling: tuple[np.ndarray, np.ndarray]
    """What strangers and customers put into baskets, but for their tastes [product, who, segment, lane], and the
    touches of which it comes, by the baskets they fill [who, segment, lane].
    """
    readiness: float
    """Of the step's visitors; 1 where the buying visits hold it already."""


def flat(rows: np.ndarray) -> np.ndarray:
    """[use, segment, lane] as [use and segment, lane]."""
    return rows.reshape(-1, rows.shape[-1])
