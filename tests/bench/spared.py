"""Coefficients of the market that may be off by 1% without any test failing, each with the reason.

Four kinds of reason: it cancels; it sets how far a search or a series goes, not where it ends; it
says which of two equal formulas is used; it bounds what no sound world reaches.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spared:
    """One mutant, found by its text."""

    file: str
    """Module of simulator/market."""
    where: str
    """The function it stands in, or nothing."""
    change: str
    """before -> after, as the bench writes it."""
    why: str


def _spare(file: str, where: str, why: str, *changes: str) -> list[Spared]:
    return [Spared(file, where, change, why) for change in changes]


SPARED: tuple[Spared, ...] = (
    *_spare(
        "basket",
        "leaving",
        "bounds what was drawn, and of a drawn count with a chance above 1 all are taken, too",
        "at_most(out, 1.0) -> at_most(out, (1.0 * 1.01))",
    ),
    *_spare(
        "commission",
        "make_partners",
        "mixes of partners are scaled to sum 1 once more, when it is known what there is",
        "m / m.sum(axis=0) -> (m * 1.01) / m.sum(axis=0)",
    ),
    *_spare(
        "commission",
        "_weight",
        "weights of a partner's products are scaled to sum 1",
        "partner.products.get(product, 0.0) if partner.products else 1.0 -> "
        "partner.products.get(product, 0.0) if partner.products else (1.0 * 1.01)",
    ),
    *_spare(
        "fulfilment",
        "surely_met",
        "where stock is plentiful, the other formula gives the demand to the last bit, too",
        "stock - 14 -> (stock * 1.01) - 14",
        "stock - 14 -> stock - (14 * 1.01)",
        "np.sqrt(np.maximum(stock - 14, 0.0)) - 6 -> (np.sqrt(np.maximum(stock - 14, 0.0)) * 1.01) - 6",
        "np.sqrt(np.maximum(stock - 14, 0.0)) - 6 -> np.sqrt(np.maximum(stock - 14, 0.0)) - (6 * 1.01)",
    ),
    *_spare(
        "fulfilment",
        "mean_sold",
        "keeps the formula finite where its result is not used",
        "np.where(tight, stock, 1.0) -> np.where(tight, stock, (1.0 * 1.01))",
        "np.where(tight, demand, 1.0) -> np.where(tight, demand, (1.0 * 1.01))",
    ),
    *_spare(
        "fulfilment",
        "found",
        "bounds rounding: no more is sold than is wanted",
        "at_most(ratio(sold, wanted), 1.0) -> at_most(ratio(sold, wanted), (1.0 * 1.01))",
    ),
    *_spare(
        "fulfilment",
        "available",
        "keeps the formula finite where its result is not used",
        "np.where(some & tight, self.units, 1.0) -> np.where(some & tight, self.units, (1.0 * 1.01))",
    ),
    *_spare(
        "fulfilment",
        "demand_that_leaves",
        "sets how far the search goes; a lane that is there stays",
        "EXACT * left -> (EXACT * 1.01) * left",
        "np.where(stock > 0, stock, 1.0) -> np.where(stock > 0, stock, (1.0 * 1.01))",
    ),
    *_spare(
        "fulfilment",
        "_edge",
        "keeps the formula finite where its result is not used",
        "np.where(large, s, 100.0) -> np.where(large, s, (100.0 * 1.01))",
        "np.where(large, m, 100.0) -> np.where(large, m, (100.0 * 1.01))",
    ),
    *_spare(
        "fulfilment",
        "_chance",
        "keeps the formula finite where its result is not used",
        "np.where(units > 0, units, 1.0) -> np.where(units > 0, units, (1.0 * 1.01))",
    ),
    *_spare(
        "fulfilment",
        "_part",
        "bounds rounding: no more is fast than is ripe",
        "np.minimum(ratio(fast.sum(axis=0), ripe.sum(axis=0)), 1.0) -> "
        "np.minimum(ratio(fast.sum(axis=0), ripe.sum(axis=0)), (1.0 * 1.01))",
    ),
    *_spare("quantiles", "", "chooses the faster of two equal ways", "4096 -> (4096 * 1.01)"),
    *_spare(
        "quantiles",
        "_not_wholly",
        "chooses the faster of two equal ways",
        "2 * count -> 2 * (count * 1.01)",
        "cells[k + 1] - cells[k] -> (cells[k + 1] * 1.01) - cells[k]",
        "k + 1 -> (k * 1.01) + 1",
    ),
    *_spare("bounds", "", "chooses the faster of two equal ways", "2048 -> (2048 * 1.01)"),
    *_spare("groups", "", "chooses the faster of two equal ways", "256 -> (256 * 1.01)"),
    *_spare("auction", "", "chooses the faster of two equal ways", "4000 -> (4000 * 1.01)"),
    *_spare("columns", "", "chooses the faster of two equal ways", "4000 -> (4000 * 1.01)"),
    *_spare(
        "columns",
        "wide",
        "chooses the faster of two equal ways",
        "table.size * lanes -> (table.size * 1.01) * lanes",
    ),
    *_spare(
        "entry",
        "__init__",
        "as many repeats, rounded down, for stretches of fewer uses than a hundred",
        "uses.stop - uses.start -> (uses.stop * 1.01) - uses.start",
    ),
    *_spare(
        "lifecycle",
        "ordered",
        "cancels: shares are scaled to sum 1",
        "shelf.stage * self._cvr -> (shelf.stage * 1.01) * self._cvr",
    ),
    *_spare("tracers", "", "moves more or fewer rows at once", "131072 -> (131072 * 1.01)"),
    *_spare(
        "lifecycle",
        "organic_pull",
        "cancels: pulls are only compared with the pull at the start",
        "shelf.weight / (shelf.weight + self.rules.organic_rivals)"
        " -> (shelf.weight * 1.01) / (shelf.weight + self.rules.organic_rivals)",
    ),
    *_spare(
        "today",
        "today",
        "cancels: the weights are scaled to sum to 1",
        "suited * available -> (suited * 1.01) * available",
        "gain * available -> (gain * 1.01) * available",
    ),
    *_spare(
        "today",
        "_suited",
        "cancels: the weights are scaled to sum to 1",
        'weigh("is,spl->ipl", goods.stage_affinity, shelf.stage)'
        ' -> weigh("is,spl->ipl", (goods.stage_affinity * 1.01), shelf.stage)',
        "goods.mix * suits -> (goods.mix * 1.01) * suits",
    ),
    *_spare(
        "today",
        "_partner_mix",
        "cancels: the weights are scaled to sum to 1",
        "mix * available -> (mix * 1.01) * available",
    ),
    *_spare(
        "layout",
        "share",
        "cancels: shares of a sum",
        "g.people * activity_of(g) -> (g.people * 1.01) * activity_of(g)",
    ),
    *_spare(
        "scenes",
        "make_bidding",
        "not read: the scene's cost is not bounded",
        "1.0 if bid.target is None else bid.target"
        " -> (1.0 * 1.01) if bid.target is None else bid.target",
    ),
    *_spare(
        "free",
        "free_rates",
        "cancels: the rates are scaled to the source's visits",
        "weight[:, None] * activity -> (weight[:, None] * 1.01) * activity",
    ),
    *_spare(
        "goods",
        "_mix",
        "cancels: the weights are scaled to sum 1",
        "i.products.get(p, 0.0) if i.products else 1.0"
        " -> i.products.get(p, 0.0) if i.products else (1.0 * 1.01)",
    ),
    *_spare(
        "media",
        "_positions",
        "not read: only gsp and vcg ask for the clicks of places",
        "(1.0,) -> ((1.0 * 1.01),)",
    ),
    *_spare(
        "quantiles",
        "_invert_binomial",
        "counting failures finds what counting successes finds",
        "p > 0.5 -> p > (0.5 * 1.01)",
    ),
    *_spare(
        "quantiles",
        "_not_surely_zero",
        "inverts some draws more, and finds them zero",
        'u.take(places, mode="clip") -> (u.take(places, mode="clip") * 1.01)',
    ),
    *_spare(
        "audience",
        "mean_fading",
        "the series gives there what the formula gives",
        "rate > 1e-4 -> rate > (1e-4 * 1.01)",
    ),
    *_spare(
        "audience",
        "mean_fading",
        "not read where the rate is lower",
        "np.maximum(rate, 1e-4) -> np.maximum(rate, (1e-4 * 1.01))",
    ),
    *_spare(
        "audience",
        "",
        "a place in a list of sixteen: 1% of it is rounded off",
        "kind * STAGES -> (kind * 1.01) * STAGES",
        "kind * STAGES + stage -> (kind * STAGES * 1.01) + stage",
    ),
    *_spare(
        "entry",
        "__init__",
        "a size that chooses between two ways of the same sum",
        "segments * lanes -> (segments * 1.01) * lanes",
    ),
    *_spare(
        "groups",
        "batches",
        "whole numbers are compared: 1% of a row below the hundredth moves nothing",
        "first + place -> (first * 1.01) + place",
    ),
    *_spare(
        "audience",
        "renewal",
        "keeps an exponential finite: a rate of e^-700 is none",
        "at_most(shape * np.log1p(u / shape), 700.0)"
        " -> at_most(shape * np.log1p(u / shape), (700.0 * 1.01))",
    ),
    *_spare(
        "audience",
        "chances",
        "bounds rounding: buyers are a part of those who leave",
        "leaving.clip(0.0, 1.0, out=leaving) -> leaving.clip(0.0, (1.0 * 1.01), out=leaving)",
    ),
    *_spare(
        "audience",
        "_age",
        "bounds rounding: the old who stay are a part of all who stay",
        "crowd.n[7:11] - decay -> (crowd.n[7:11] * 1.01) - decay",
    ),
    *_spare(
        "bidding",
        "__init__",
        "cancels: scenes that meet on a slot meet the same price",
        "media.mu - media.ln_value -> (media.mu * 1.01) - media.ln_value",
    ),
    *_spare(
        "bidding",
        "_throttle",
        "where nothing would be spent, money is above spend, which gives 1 as well",
        "1.0 -> (1.0 * 1.01)",
    ),
    *_spare(
        "auction",
        "",
        "out there nobody wins and nobody pays: Phi is 0 or 1 to the last bit",
        "-37.5 -> -(37.5 * 1.01)",
        "9 * NODES -> 9 * (NODES * 1.01)",
        "9 * NODES -> (9 * 1.01) * NODES",
    ),
    *_spare(
        "auction",
        "",
        "any number from 2^52 to 2^53 rounds what is added to it",
        "1.5 * 2.0**52 -> 1.5 * (2.0**52 * 1.01)",
        "1.5 * 2.0**52 -> (1.5 * 1.01) * 2.0**52",
    ),
    *_spare(
        "auction",
        "_nodes",
        "not read: from 1 on the other formula counts",
        "np.minimum(x, 1.0) -> np.minimum(x, (1.0 * 1.01))",
    ),
    *_spare(
        "auction",
        "both_below",
        "a shortcut for no spread at all: spreads so small change no bit",
        "LEAST_TAU / 0.05 -> (LEAST_TAU * 1.01) / 0.05",
        "LEAST_TAU / 0.05 -> LEAST_TAU / (0.05 * 1.01)",
    ),
    *_spare(
        "auction",
        "_groups",
        "counts tables in whole numbers: the same for less than a hundred",
        "len(tables) - 1 -> (len(tables) * 1.01) - 1",
    ),
    *_spare(
        "auction",
        "_with_reserve",
        "a slack for rounding: any that is small and above 0 will do",
        "10 * LEAST_TAU -> 10 * (LEAST_TAU * 1.01)",
        "10 * LEAST_TAU -> (10 * 1.01) * LEAST_TAU",
    ),
    *_spare(
        "auction",
        "_with_reserve",
        "bounds rounding: no second price is above the own score",
        "price * value -> (price * 1.01) * value",
    ),
    *_spare(
        "auction",
        "vcg_mean",
        "at the end of the table its values no longer change",
        "LEFT + SPAN / PIECES -> (LEFT * 1.01) + SPAN / PIECES",
        "SPAN / PIECES -> (SPAN * 1.01) / PIECES",
        "SPAN - 1.0 -> (SPAN * 1.01) - 1.0",
        "SPAN - 1.0 -> SPAN - (1.0 * 1.01)",
    ),
    *_spare(
        "auction",
        "vcg_mean",
        "any knot near z will do: what lies between them is integrated",
        "(z - LEFT) * PIECES -> (((z - LEFT) * 1.01)) * PIECES",
    ),
    *_spare(
        "draws",
        "_nonzero",
        "divides nothing by what stands for 0, which is nothing",
        "np.where(total == 0.0, 1.0, total) -> np.where(total == 0.0, (1.0 * 1.01), total)",
    ),
    *_spare(
        "draws",
        "strata",
        "divides a single point by what stands for its spread, and that point is 0",
        "np.sqrt(np.square(middles).mean()) or 1.0"
        " -> np.sqrt(np.square(middles).mean()) or (1.0 * 1.01)",
    ),
    *_spare(
        "bidding",
        "_divide",
        "cancels: priorities that all grow alike leave the shares as they are",
        "field.smooth * np.exp(PRIORITY * self.x)"
        " -> (field.smooth * 1.01) * np.exp(PRIORITY * self.x)",
        "priority.take(self.scene, axis=0)[:, None] * self.prior"
        " -> (priority.take(self.scene, axis=0)[:, None] * 1.01) * self.prior",
    ),
    *_spare(
        "entry",
        "aim",
        "cancels: the aim is divided by its sum",
        "self.affinity[:, self.media.auctions :, None] * bands[:, None]"
        " -> (self.affinity[:, self.media.auctions :, None] * 1.01) * bands[:, None]",
    ),
    *_spare(
        "value",
        "_order_price",
        "cancels: what all placements of a scene have in common moves its multiplier, not its bids",
        "mix * price -> (mix * 1.01) * price",
        "mean[[i for i, _ in layout.auction]][:, None] * value"
        " -> (mean[[i for i, _ in layout.auction]][:, None] * 1.01) * value",
    ),
    *_spare(
        "value",
        "ln_value",
        "cancels: what all placements of a scene have in common moves its multiplier, not its bids",
        'actions["order"][j] * prices[j] -> (actions["order"][j] * 1.01) * prices[j]',
    ),
    *_spare(
        "goods",
        "_mix",
        "cancels: the weights are scaled to sum 1 again, and their mean price is common to a scene",
        "table / table.sum(axis=1, keepdims=True) -> (table * 1.01) / table.sum(axis=1, keepdims=True)",
    ),
    *_spare(
        "purse",
        "_what_is_left",
        "tells money from rounding: nothing lies near a billionth of it",
        "NOTHING * whole -> (NOTHING * 1.01) * whole",
    ),
    *_spare(
        "purse",
        "unspent",
        "tells money from rounding: nothing lies near a billionth of it",
        "NOTHING * planned -> (NOTHING * 1.01) * planned",
    ),
    *_spare(
        "purse",
        "nearly_spent",
        "tells a day that binds from rounding: nothing lies near a billionth of the money",
        "1 - NOTHING -> 1 - (NOTHING * 1.01)",
    ),
    *_spare(
        "shipping",
        "",
        "bounds what no sound world reaches: a wait of a thousand times what is late",
        "1000.0 -> (1000.0 * 1.01)",
    ),
    *_spare(
        "shipping",
        "emptied",
        "not read: from 1 on the queue does not run out, and the other formula counts",
        "np.minimum(ratio(before, faster), 1.0) -> np.minimum(ratio(before, faster), (1.0 * 1.01))",
    ),
    *_spare(
        "linkage",
        "counted",
        "cancels: each claim is divided by all claims",
        "money * self.counts[:, None] -> (money * 1.01) * self.counts[:, None]",
        "(money * self.counts[:, None])[:, None] * mix"
        " -> ((money * self.counts[:, None])[:, None] * 1.01) * mix",
    ),
    *_spare(
        "shocks",
        "_most",
        "counts clocks of which nearly all ring after the window: a few more or less bring nothing",
        "shocks.end[n] - shocks.start[n] -> (shocks.end[n] * 1.01) - shocks.start[n]",
        "shocks.rate[n] * (shocks.end[n] - shocks.start[n])"
        " -> (shocks.rate[n] * 1.01) * (shocks.end[n] - shocks.start[n])",
        "shocks.rate[n] * (shocks.end[n] - shocks.start[n]) / DAY"
        " -> (shocks.rate[n] * (shocks.end[n] - shocks.start[n]) * 1.01) / DAY",
        "mean + 8 * math.sqrt(mean) -> (mean * 1.01) + 8 * math.sqrt(mean)",
        "8 * math.sqrt(mean) -> 8 * (math.sqrt(mean) * 1.01)",
        "8 * math.sqrt(mean) -> (8 * 1.01) * math.sqrt(mean)",
        "mean + 8 * math.sqrt(mean) + 8 -> ((mean + 8 * math.sqrt(mean)) * 1.01) + 8",
        "mean + 8 * math.sqrt(mean) + 8 -> mean + 8 * math.sqrt(mean) + (8 * 1.01)",
    ),
    *_spare(
        "value",
        "ln_value",
        "cancels: parts of those who are aimed at",
        "affinity[:, :, None] * _first_bands(layout)[:, None]"
        " -> (affinity[:, :, None] * 1.01) * _first_bands(layout)[:, None]",
        "aimed * creative[:, :, None] -> (aimed * 1.01) * creative[:, :, None]",
    ),
    *_spare(
        "value",
        "_first_moves",
        "cancels: what all placements of a scene have in common moves its multiplier, not its bids",
        "layout.per_use(lambda i, k: k.viewability, layout.auction) * share"
        " -> (layout.per_use(lambda i, k: k.viewability, layout.auction) * 1.01) * share",
        "drawn * weight[:, None] -> (drawn * 1.01) * weight[:, None]",
        "clicks * layout.per_use( lambda i, k: k.arrival * s.sources[k.source].touch, layout.auction )"
        " -> (clicks * 1.01)"
        " * layout.per_use( lambda i, k: k.arrival * s.sources[k.source].touch, layout.auction )",
        "k.arrival * s.sources[k.source].touch -> (k.arrival * 1.01) * s.sources[k.source].touch",
        "visits * each -> (visits * 1.01) * each",
    ),
    *_spare(
        "value",
        "_first_bands",
        "cancels: only the parts of bands in each other are read",
        "people_at_start(layout.segments) / size_of(layout.segments)"
        " -> (people_at_start(layout.segments) * 1.01) / size_of(layout.segments)",
    ),
    *_spare(
        "media",
        "_creative",
        "says which of two equal formulas is used: a factor of 1 changes nothing in the other",
        "unless(stack([column(row) for row in rows]), 1.0)"
        " -> unless(stack([column(row) for row in rows]), (1.0 * 1.01))",
    ),
    *_spare(
        "people",
        "make_people",
        "says which of two equal formulas is used: a factor of 1 changes nothing in the other",
        "unless(column([g.refund for g in segments])[None], 1.0)"
        " -> unless(column([g.refund for g in segments])[None], (1.0 * 1.01))",
    ),
    *_spare(
        "goods",
        "_stage_affinity",
        "says which of two equal formulas is used: a factor of 1 changes nothing in the other",
        "unless(stack(rows), 1.0) -> unless(stack(rows), (1.0 * 1.01))",
    ),
    *_spare(
        "goods",
        "_stage_affinity",
        "cancels: the weights are scaled to sum 1",
        "i.product_stages.get(x, 0.0) if i.product_stages else 1.0"
        " -> i.product_stages.get(x, 0.0) if i.product_stages else (1.0 * 1.01)",
    ),
    *_spare(
        "goods",
        "first_mix",
        "cancels: the weights are scaled to sum 1, and their mean price is common to a scene",
        "mix * affinity[:, stage] -> (mix * 1.01) * affinity[:, stage]",
        "suited / np.maximum(total, 1e-300) -> (suited * 1.01) / np.maximum(total, 1e-300)",
    ),
    *_spare(
        "audience",
        "",
        "a default for those who make a step of their own: sales always say it",
        "1.0 -> (1.0 * 1.01)",
    ),
    *_spare(
        "entry",
        "mean_of_reached",
        "of contracts that show nothing in the step: nobody is there to be tired",
        'np.einsum("busl,bsl->usl", self.aimed, weight) if contracts else 1.0 -> '
        'np.einsum("busl,bsl->usl", self.aimed, weight) if contracts else (1.0 * 1.01)',
    ),
    *_spare(
        "tracers",
        "gmv_of",
        "tells rounding from orders",
        "1e-9 * takings.orders -> 1e-9 * (takings.orders * 1.01)",
    ),
    *_spare(
        "tracers",
        "gmv_of",
        "cancels: only where nobody else has any, all is scaled to the gmv of the step",
        "direct + other -> (direct * 1.01) + other",
    ),
)
