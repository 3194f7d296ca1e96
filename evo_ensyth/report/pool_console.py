"""What a person sees of a pool: tables on standard output."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from evo_ensyth.errors import one_line
from evo_ensyth.report.console import new_console, say
from evo_ensyth.report.pool_facts import PoolFacts
from evo_ensyth.report.weight_mask_facts import Likeness, WeightMaskFacts
from evo_ensyth.report.words import duration

MEMBERS_LISTED = 40  # of more, methods are listed
SHARED_SHOWN = 3
UNKNOWN_SHOWN = 3


def print_plan(members: Sequence[str], estimate: Mapping[str, Any]) -> None:
    """Print which members there would be, and what they would take: an `Estimate`, or why there is none."""
    print("\n".join([*members, f"{len(members)} members"]))
    console = new_console()
    if "reason" in estimate:
        say(console, f"what they would take is unknown: {estimate['reason']}")
        return
    if estimate["n_made"] == estimate["n_planned"]:
        say(console, "all of them are made")
    else:
        hands = "one process" if estimate["workers"] < 2 else f"{estimate['workers']} processes"
        made = f"; {estimate['n_made']} of {estimate['n_planned']} are made already" if estimate["n_made"] else ""
        least, most = map(duration, estimate["seconds"])
        say(console, f"about {least} to {most} with {hands} and nothing else at work{made}")
    if estimate["unknown"]:
        names = ", ".join(estimate["unknown"][:UNKNOWN_SHOWN]) + ", ..." * (len(estimate["unknown"]) > UNKNOWN_SHOWN)
        say(console, f"without what the methods of {len(estimate['unknown'])} take, which give no estimate: {names}")
    kept, peak = (f"{size / 1e6:,.1f} MB" for size in (estimate["kept_bytes"], estimate["peak_bytes"]))
    memory = f"{estimate['memory_bytes'] / 1e6:,.0f} MB of memory"
    say(console, f"{kept} on disk, and {peak} at most while they are made; {memory}")
    for method, reason in estimate["left"].items():
        say(console, f"without {method}: {reason}")


def print_status(
    *,
    problem: str,
    folder: str,
    closed: bool,
    made: Sequence[str],
    failed: Mapping[str, str],
    missing: Sequence[str],
    damaged: Sequence[str],
) -> None:
    """Print how far a pool is: what is made, what could not be made, what is missing, and which files are damaged."""
    console = new_console()
    table = Table(title=one_line(f"{problem}: {folder}"), title_justify="left")
    for column in ("", "member", "why"):
        table.add_column(column, overflow="fold")
    for state, names in (("made", made), ("failed", failed), ("missing", missing)):
        for name in names:
            table.add_row(state, one_line(name), one_line(failed.get(name, "")))
    if made or failed or missing:
        console.print(table)
    say(console, f"{len(made)} made, {len(failed)} failed, {len(missing)} missing")
    if damaged:
        names = ", ".join(map(one_line, damaged))
        say(console, f"damaged: {names}; evo-ensyth pool build {problem} --repair makes them again")
        return
    words = "it can be searched" if closed else "it cannot be searched yet"
    say(console, words if not (failed or missing) else f"{words}; evo-ensyth pool build {problem} continues")


def print_pool(facts: PoolFacts, folder: str) -> None:
    """Print a pool: its members method by method, pairs of each kind, and what follows from them."""
    console = new_console()
    console.print(_members(facts) if len(facts.names) <= MEMBERS_LISTED else _methods(facts))
    for method, curve in facts.curves.items():
        say(console, f"{method}: {len(facts.of_method(method))} members, {_offer(facts, curve)}")
    if facts.remarks:
        say(console, "; ".join(facts.remarks))
    if facts.built:
        _print_making(console, facts)
    say(console, "all but the test error is from the search split; disagreement is the share of different answers")
    files = "pool.html, pool-shown.json, disagreement.png, disagreement.svg, curves.png, curves.svg"
    say(console, f"written to {folder}: {files}")


def _print_making(console: Console, facts: PoolFacts) -> None:
    """Print what follows from how the members were made: pairs of kinds, what they share, and their weights."""
    if facts.pairs:
        console.print(_pairs(facts))
    say(console, facts.verdict)
    largest = sorted(facts.shared, key=lambda part: -part.members.sum())[:SHARED_SHOWN]
    for part in largest:
        costs = ", ".join(f"{value:,.6g} {cost}" for cost, value in part.costs.items())
        say(console, f"{part.members.sum()} members share {part.name}, which an ensemble of them pays once: {costs}")
    if len(facts.shared) > len(largest):
        say(console, f"and {len(facts.shared) - len(largest)} more parts are shared; see pool-shown.json")
    elif not largest:
        say(console, "no two members share a layer: each has been changed from the first one on")
    if facts.weight_masks is None:
        say(console, "the weights of the members are not in its folder; what they share of them cannot be said")
    else:
        if facts.weight_masks.between:
            console.print(_weight_masks(facts.weight_masks, list(facts.curves)))
        if facts.weight_masks.n_left_out:
            left_out = (
                f"{facts.weight_masks.n_left_out:,} pairs are left out: their weights differ in shape, or are all zero"
            )
            say(console, left_out)


def _members(facts: PoolFacts) -> Table:
    title = f"{facts.problem}: {len(facts.names)} members" + f" by {len(facts.curves)} methods" * facts.built
    table = Table(title=one_line(title), title_justify="left")
    for column in ("method", "member"):
        table.add_column(column, overflow="fold")
    for column in ("search error %", "test error %", *map(one_line, facts.costs), "disagrees %"):
        table.add_column(column, justify="right")
    mean = facts.mean_disagreement()
    for method in facts.curves:
        for position, i in enumerate(facts.of_method(method)):
            errors = [f"{100 * facts.errors[s][i]:.2f}" if s in facts.errors else "-" for s in ("search", "test")]
            costs = [
                f"{values[i]:,.6g}" if values.dtype.kind == "f" else f"{values[i]:,}" for values in facts.costs.values()
            ]
            first = "" if position else one_line(method)
            table.add_row(first, one_line(facts.names[i]), *errors, *costs, f"{100 * mean[i]:.2f}")
        table.add_section()
    if facts.parent:
        errors = [f"{100 * facts.parent[split]:.2f}" if split in facts.parent else "-" for split in ("search", "test")]
        costs = [f"{facts.parent[cost]:,.12g}" if cost in facts.parent else "-" for cost in facts.costs]
        table.add_row("", "(the parent)", *errors, *costs, "")
    return table


def _methods(facts: PoolFacts) -> Table:
    title = f"{facts.problem}: {len(facts.names)} members by {len(facts.curves)} methods, each from lowest to highest"
    table = Table(title=one_line(title), title_justify="left", caption="each member: pool-shown.json")
    table.add_column("method", overflow="fold")
    for column in ("members", "search error %", "test error %", one_line(facts.cost), "disagrees %"):
        table.add_column(column, justify="right")
    nothing = np.full(len(facts.names), np.nan)
    errors = [100 * facts.errors.get(split, nothing) for split in ("search", "test")]
    costs, mean = facts.costs[facts.cost], 100 * facts.mean_disagreement()
    for method in facts.curves:
        ours = facts.of_method(method)
        search, test, disagrees = (f"{part[ours].min():.2f} to {part[ours].max():.2f}" for part in (*errors, mean))
        paid = f"{costs[ours].min():,.12g} to {costs[ours].max():,.12g}"
        table.add_row(one_line(method), str(len(ours)), search, test, paid, disagrees)
    return table


def _offer(facts: PoolFacts, curve: Sequence[int]) -> str:
    """What a method has at its best, from the cheapest on."""
    costs, errors = facts.costs[facts.cost], facts.errors["search"]
    points = [f"{100 * errors[i]:.2f} % for {costs[i]:,.12g}" for i in curve]
    return f"search error for {facts.cost}: {', '.join(points)}"


def _pairs(facts: PoolFacts) -> Table:
    table = Table(title="pairs of members", title_justify="left")
    table.add_column("kinds")
    for column in ("pairs", "disagreement %", "mean error %"):
        table.add_column(column, justify="right")
    for pair in facts.pairs:
        one, other = pair.kinds
        shares = (f"{100 * share:.2f}" for share in (pair.disagreement, pair.error))
        table.add_row(f"{one} with {other}", f"{pair.n_pairs:,}", *shares)
    return table


def _weight_masks(weight_masks: WeightMaskFacts, methods: Sequence[str]) -> Table:
    title = "weights that are not zero, of two members: % in both, and (by chance)"
    table = Table(title=title, title_justify="left")
    table.add_column("method", overflow="fold")
    for pairs in ("pairs within", "pairs outside"):
        for column in (pairs, "of either", "of the smaller"):
            table.add_column(column, justify="right")
    for method in methods:
        table.add_row(
            one_line(method),
            *_shares(weight_masks.between.get((method, method))),
            *_shares(weight_masks.with_others(method)),
        )
    return table


def _shares(part: Likeness | None) -> tuple[str, str, str]:
    if part is None:
        return "0", "-", "-"
    jaccard = f"{100 * part.jaccard:.1f} ({100 * part.jaccard_by_chance:.1f})"
    return f"{part.n_pairs:,}", jaccard, f"{100 * part.overlap:.1f} ({100 * part.overlap_by_chance:.1f})"
