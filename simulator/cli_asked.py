"""What a user asks of `adsim optimize`: its options read, and refused where they make no sense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from click import Context, Parameter

from simulator.errors import UserError

if TYPE_CHECKING:
    from simulator.allocation.problem import Limits

Texts = tuple[str, ...]
LIMITS = ("floor", "cap", "lock", "minimum", "package")
OBJECTIVES = ("roi", "new_customers")


@dataclass(frozen=True)
class Wishes:
    """What a plan of the frontier must reach to be picked."""

    min_roi: float | None
    sure: float | None
    targets: dict[str, float]


@dataclass(frozen=True)
class Asked:
    """Every option of the command as it was written."""

    files: Texts
    budget: str | None
    objective: Texts
    min_roi: str | None
    sure: str | None
    target: Texts
    least_budget: str | None
    since: str | None
    lock: Texts
    floor: Texts
    cap: Texts
    minimum: Texts
    package: Texts
    plan: str | None
    replications: int
    seed: int
    jobs: int | None
    quick: bool
    sets: Texts
    folder: str | None
    form: str
    quiet: bool

    def __post_init__(self) -> None:
        """An empty text, such as a variable of a script that is not set, is no option left out."""
        for name in ("budget", "least_budget", "since", "plan"):
            if getattr(self, name) == "":
                raise UserError(
                    f"--{name.replace('_', '-')} is empty: give it a value, or leave it out"
                )

    @property
    def limits(self) -> dict[str, Texts]:
        """The options that limit money and packages, by name."""
        return {name: getattr(self, name) for name in LIMITS}


# --------------------------------------------------------------------------- what makes no sense
SHARED = {
    "plan": "names a plan of one file: several files are held against their first plans",
    "since": "is for one file: give the files one by one",
    "least_budget": "is for one file: several files share a budget that is given",
    "min_roi": "picks from the frontier of one file: several files have one split",
    "sure": "picks from the frontier of one file: several files have one split",
    "target": "picks from the frontier of one file: several files have one split",
}
"""Options that several files refuse, and why."""
LEAST = {
    "since": "splits a budget that is given again: ask for the least budget without it",
    "objective": "is not asked for beside --least-budget, which names what is wanted",
    "min_roi": "picks from a frontier: --least-budget has one plan",
    "target": "picks from a frontier: --least-budget takes the one target itself",
}
"""The same for --least-budget."""


def the_only_one(_: Context, parameter: Parameter, values: Texts) -> str | None:
    """The value of an option that may be given once; the last of several would win unseen."""
    if len(values) > 1:
        raise UserError(f"{parameter.opts[0]}: give it once (got {' and '.join(values)})")
    return values[0] if values else None


def refuse(asked: Asked, options: Mapping[str, str]) -> None:
    """End with a sentence if one of the options is given."""
    for name, why in options.items():
        if getattr(asked, name) not in (None, ()):
            raise UserError(f"--{name.replace('_', '-')} {why}")


# --------------------------------------------------------------------------- amounts, limits and wishes
def read_money(option: str, text: str, budget: float | None, *, least: float = 0.0) -> float:
    """An amount as scenario files write it, or a share of the budget where there is one."""
    amount = read_number(option, text) or 0.0
    share = text.rstrip().endswith("%")
    if share and budget is None:
        raise UserError(f"{option}: the budget is what is sought, so give yuan (got {text!r})")
    if amount < 0 and budget is None:
        raise UserError(f"{option}: must not be below zero (got {text!r})")
    if amount < 0 or (share and amount > 1):
        whole = "be above 0, and a share at most 100% of the budget of the file"
        room = whole if least else "lie between 0 and the budget"
        raise UserError(f"{option}: must {room} (got {text!r})")
    if 0 < amount < 1 and not share:
        mend = "give whole yuan" if budget is None else f"did you mean {amount * 100:g}%?"
        raise UserError(f"{option}: {text} is less than one yuan; {mend}")
    money = amount * budget if share and budget is not None else amount
    if money < least:
        raise UserError(f"{option}: must be {least:g} yuan at least (got {text!r})")
    return money


def read_pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE, each name once."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()):
            raise UserError(f"{option}: write NAME=VALUE (got {text!r})")
        if name.strip() in found:
            raise UserError(f"{option}: {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found


def read_limits(tables: Mapping[str, Texts], budget: float | None) -> "Limits":
    """Limits of one file by their options; amounts in percent are of the budget."""
    from simulator.allocation.problem import Limits

    def money(option: str, texts: Texts) -> dict[str, float]:
        parts = read_pairs(option, texts)
        return {name: read_money(f"{option} {name}", text, budget) for name, text in parts.items()}

    chosen = {
        name: _yes(name, text) for name, text in read_pairs("--package", tables["package"]).items()
    }
    return Limits(
        floors=money("--floor", tables["floor"]), caps=money("--cap", tables["cap"]),
        locks=money("--lock", tables["lock"]), minimums=money("--minimum", tables["minimum"]),
        packages=chosen,
    )  # fmt: skip


def _yes(name: str, text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise UserError(f"--package {name}: write yes or no (got {text!r})")
    return text.lower() == "yes"


def read_wishes(min_roi: str | None, sure: str | None, targets: Texts) -> Wishes:
    """What --min-roi, --sure and --target ask of a plan."""
    from simulator.outcomes.metrics import BY_NAME
    from simulator.scenario.amounts import suggestion

    if sure is not None and min_roi is None:
        raise UserError("--sure says how surely --min-roi is reached: give both")
    wanted = read_pairs("--target", targets)
    for name in wanted:
        known = [metric for metric, found in BY_NAME.items() if found.wish == "more"]
        if name not in known:
            near = suggestion(name, known) or ", such as new_customers, gmv or profit"
            raise UserError(f"--target {name}: is not a metric to be reached{near}")
    share = read_share(sure)
    reached = {name: _aimed(f"--target {name}", name, text) for name, text in wanted.items()}
    return Wishes(read_number("--min-roi", min_roi), share, reached)


def read_share(sure: str | None) -> float | None:
    """The probability that --sure asks for."""
    share = read_number("--sure", sure)
    if share is not None and not 0 < share <= 1:
        raise UserError(f"--sure: must lie above 0 and up to 100% (got {sure!r})")
    return share


def read_number(option: str, text: str | None) -> float | None:
    """A number as scenario files write it; None stays None."""
    from simulator.scenario.amounts import read_amount

    try:
        return None if text is None else read_amount(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None


def read_since(text: str) -> datetime:
    """The date from which a plan is made anew."""
    from simulator.scenario.amounts import read_moment

    try:
        return read_moment(text)
    except ValueError as error:
        raise UserError(f"--since: {error}") from None


def read_target(text: str) -> dict[str, float]:
    """The one target of --least-budget."""
    ((name, value),) = read_pairs("--least-budget", [text]).items()
    return {name: _aimed(f"--least-budget {name}", name, value)}


def _aimed(option: str, name: str, text: str) -> float:
    """What a metric is to reach; people and money have no percent of anything."""
    from simulator.outcomes.metrics import BY_NAME

    amount = read_number(option, text) or 0.0
    if text.endswith("%") and name in BY_NAME and BY_NAME[name].kind == "total":
        raise UserError(f"{option}: give an amount, not a share (got {text!r})")
    return amount


# --------------------------------------------------------------------------- several files
def read_shared_limits(
    tables: Mapping[str, Texts], budget: float
) -> "tuple[dict[str, Limits], Limits | None]":
    """Limits inside files, by label, and those of whole files; "label/scene" is inside one."""
    inside: dict[str, dict[str, list[str]]] = {}
    whole: dict[str, list[str]] = {name: [] for name in LIMITS}
    for option, texts in tables.items():
        for text in texts:
            label, slash, rest = text.partition("=")[0].partition("/")
            own = inside.setdefault(label.strip(), {n: [] for n in LIMITS}) if slash else whole
            own[option].append(rest + text[len(f"{label}/{rest}") :] if slash else text)
    for option in ("minimum", "package"):
        if whole[option]:
            raise UserError(
                f"--{option}: of several files, write FILE/NAME (got {whole[option][0]!r})"
            )
    within = {label: _limits_of(own, budget) for label, own in inside.items()}
    return within, _limits_of(whole, budget) if any(whole.values()) else None


def _limits_of(tables: Mapping[str, Sequence[str]], budget: float) -> "Limits":
    return read_limits({name: tuple(texts) for name, texts in tables.items()}, budget)
