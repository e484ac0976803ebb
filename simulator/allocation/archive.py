"""What a market has answered, so that no plan is played twice."""

from dataclasses import dataclass, field

import numpy as np

from simulator.allocation.market import Answers, Market
from simulator.allocation.problem import Split, stack


@dataclass
class Archive:
    """A market that remembers every row that it answered, and is asked once for each."""

    market: Market
    played: list[tuple[Split, Answers]] = field(default_factory=list)
    """Every call: new rows and their answers."""
    places: dict[bytes, int] = field(default_factory=dict)
    """Where the answer to a row stands among all."""

    @property
    def calls(self) -> int:
        """Calls of the market."""
        return len(self.played)

    @property
    def evaluations(self) -> int:
        """Plans that were played."""
        return sum(len(rows) for rows, _ in self.played)

    def __call__(self, split: Split) -> Answers:
        """Ask the market for the rows that it has not answered yet."""
        keys = [m.tobytes() + b.tobytes() for m, b in zip(split.money, split.booked, strict=True)]
        first = {key: n for n, key in reversed(list(enumerate(keys)))}
        fresh = sorted(n for key, n in first.items() if key not in self.places)
        if fresh:
            self._ask(split.take(fresh), [keys[n] for n in fresh])
        return self.every()[1].take(np.array([self.places[key] for key in keys], dtype=np.intp))

    def _ask(self, split: Split, keys: list[bytes]) -> None:
        """Of two steps the first leaves all in order, should the second be cut off."""
        before = self.evaluations
        self.played.append((split, self.market(split)))
        self.places |= {key: before + n for n, key in enumerate(keys)}

    def every(self) -> tuple[Split, Answers]:
        """All rows so far."""
        parts = [(a.values, a.spent, a.most) for _, a in self.played]
        rows = stack([split for split, _ in self.played])
        return rows, Answers(*(np.concatenate(x) for x in zip(*parts, strict=True)))
