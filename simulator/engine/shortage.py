"""What goods that run out take off the moves of a step (docs/model.md section 9).

symbol     meaning                                                            unit     shape
flows      moves of people                                                    people   [kind, stage, segment, lane]
found      share of what is tried of a product that finds goods               1        [product, lane]
released   part of the orders out of favourites and carts that the sale       1        [2, segment, lane]
           released
rows       moves that end in an order: of people by stage, then of baskets    people   [row, segment, lane]
           and of deposits
"""

import numpy as np

from simulator.market.audience import ORDER, ratio
from simulator.market.basket import CustomerMoves, Orders, flat
from simulator.market.bounds import at_least
from simulator.market.draws import Draws
from simulator.market.people import STAGES
from simulator.scenario.chain import Stage

BASKET_STAGES = slice(Stage.FAVOURITE, Stage.DEPOSIT)


def cut_moves(
    flows: np.ndarray, baskets: CustomerMoves, orders: Orders, mixes: list[np.ndarray],
    *, found: np.ndarray, released: np.ndarray, draws: Draws,
) -> np.ndarray:  # fmt: skip
    """Nobody moves on for an order that found no goods: of each kind of orders by its own products.

    Product weights of direct orders, as they are tried, of released baskets and of balances, if any, are in `mixes`
    [product, buyers, segment or 1, lane]. Changes flows and baskets; returns what is `released` of the orders that are
    left.
    """
    rows = np.concatenate([flows[ORDER], baskets.orders[None], baskets.balances[None]])
    parts = [_part_found(mix, found) for mix in mixes]
    served = _part_of_rows(rows.shape, parts, released)
    short = np.asarray((orders.paid < orders.wanted).any(axis=0))
    left = released * ratio(parts[1][0], served[BASKET_STAGES])
    served *= rows
    buyers = orders.paid.shape[1]
    rows, served = _by_buyers(rows, buyers), _by_buyers(served, buyers)
    rows = _share_out(np.add.reduce(orders.paid), rows, served, short, draws)
    flows[ORDER], baskets.orders, baskets.balances = rows[:STAGES], rows[-2], rows[-1]
    return np.where(short[0], left, released)


def _part_found(mix: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Part of product weights [product, buyers, segment, lane] that finds goods: [buyers, segment, lane]."""
    return np.asarray(np.add.reduce(mix * found[:, None, None]))


def _part_of_rows(
    shape: tuple[int, ...], parts: list[np.ndarray], released: np.ndarray
) -> np.ndarray:
    """Part of each row that finds goods [row, segment, lane], from that of each kind of orders."""
    direct, release, *rest = parts
    balance = rest[0] if rest else np.ones((1, 1))
    found = np.empty(shape)
    found[: Stage.INITIAL], found[Stage.INITIAL : STAGES] = direct[0], direct[-1]
    found[BASKET_STAGES] += released * (release[0] - direct[0])
    found[Stage.DEPOSIT], found[-2], found[-1] = balance[0], release[-1], balance[-1]
    return found


def _share_out(
    paid: np.ndarray, own: np.ndarray, served: np.ndarray, short: np.ndarray, draws: Draws
) -> np.ndarray:
    """Moves [row, buyers, segment, lane] whose orders are paid [buyers, segment, lane], by those of them that find
    goods (`served`); what a row has no room for goes to the others. Moves stay where nothing is `short`. Returns all
    moves below each other: [row, segment, lane].
    """
    total, every, room = flat(paid), flat(own), flat(served)
    parts = draws.split("cut", total, room)
    np.minimum(parts, every, out=parts)
    rest = at_least(total - np.add.reduce(parts), 0.0)
    parts += draws.split("cut", rest, np.subtract(every, parts, out=room))
    np.minimum(parts, every, out=parts)
    np.copyto(own, parts.reshape(own.shape), where=short)
    return _one_below_the_other(own)


def _by_buyers(rows: np.ndarray, buyers: int) -> np.ndarray:
    """Rows, strangers' first, beside each other: [row, buyers, segment, lane]."""
    if buyers == 1:
        return rows[:, None]
    own = np.zeros((Stage.INITIAL, 2, *rows.shape[1:]))
    own[:, 0] = rows[: Stage.INITIAL]
    own[: len(rows) - Stage.INITIAL, 1] = rows[Stage.INITIAL :]
    return own


def _one_below_the_other(own: np.ndarray) -> np.ndarray:
    """The same back again: [row, segment, lane]."""
    if own.shape[1] == 1:
        return own[:, 0]
    return np.concatenate([own[:, 0], own[: STAGES + 2 - Stage.INITIAL, 1]])
