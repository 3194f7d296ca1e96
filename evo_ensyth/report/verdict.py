"""The verdict on an ensemble in three sentences: who votes, what error to expect, and whether less would do."""

from evo_ensyth.report.words import p_value, shown_value
from evo_ensyth.results.comparison import BASELINES, Comparison, baseline_name
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.estimate import Estimate
from evo_ensyth.results.metric import Metric
from evo_ensyth.results.run import Run

# Standard errors that the whole pool's errors on both splits differ by one time in a hundred if the splits are alike.
TOO_FAR = 2.576
SIMPLER = ("best_k", "single_best", "whole_pool")  # those of BASELINES that need no search


def verdict(run: Run) -> tuple[str, str, str]:
    """Say which ensemble to take, what error to expect of it, and whether anything simpler is as good.

    Parameters
    ----------
    run : Run

    Returns
    -------
    tuple of three str
        Sentences in plain text, on the recommended ensemble. All p-values are those of the tables.
    """
    recommended = run.recommended
    return members_to_take(run), expected_error(run, recommended), beside_simpler(run, recommended)


def title(run: Run) -> str:
    """Name a run: what was searched, how, by which vote, and what was minimised."""
    interrupted = " (interrupted)" if run.interrupted else ""
    return (
        f"{run.problem}: {run.front.selector}, seed {run.seed}{interrupted}; vote: {run.vote}; "
        f"minimised: {', '.join(run.objectives)}"
    )


def members_to_take(run: Run) -> str:
    """Name all members of the recommended ensemble, and say how they vote."""
    recommended = run.recommended
    these = "this one" if recommended.size == 1 else f"these {recommended.size}"
    return f"Take {these} of {run.n_members} members (vote: {run.vote}): {', '.join(recommended.members)}."


def expected_error(run: Run, ensemble: Ensemble) -> str:
    """Say what error to expect of an ensemble of the run's front on unseen samples, and how that is known."""
    # The estimate and the metrics are those of what the search recommends, not of any other ensemble.
    is_recommended = ensemble.indices == run.recommended.indices
    estimate = run.estimate if is_recommended else None
    by_metric = _expected_metric(run.leading_metric, estimate) if run.leading_metric and is_recommended else ""
    tested = ensemble.interval("test")
    on_test = tested and with_interval(ensemble.error("test"), tested)
    if estimate is None and on_test is None:
        return "Its error on unseen samples is unknown: there is neither a nested estimate nor a test split."
    if estimate is None:
        return f"{by_metric}On the test split, which the search has not seen, its error is {on_test}{_harder(run)}."
    expected = with_interval(estimate.error, estimate.interval)
    test = f"on the test split it is {on_test}{_harder(run)}" if on_test else "there is no test split"
    folds = f"by {estimate.n_folds}-fold nested estimate"
    return f"{by_metric}Expect an error of {expected} on unseen samples, {folds}; {test}."


def beside_simpler(run: Run, ensemble: Ensemble) -> str:
    """Say how an ensemble of the run's front compares with what is simpler to have, and with the parent."""
    metric = run.leading_metric
    if metric and metric.differences and ensemble.indices == run.recommended.indices:
        return _beside_simpler_by(metric, ensemble.size, tested=bool(run.n_test))
    comparisons = ensemble.comparisons
    if not comparisons and not ensemble.is_single_best and ensemble.size < run.n_members:
        return "Whether anything simpler is as good is unknown: the run compares it with nothing."
    shown = {name: comparisons[name] for name in BASELINES if name in comparisons}
    if ensemble.size == 1:
        shown.pop("best_k", None)  # the best single member
    clauses = _itself(run, ensemble)
    if not run.n_test:
        return _on_search_alone(shown, clauses, ensemble.size)
    simpler = {comparison.verdict for name, comparison in shown.items() if name in SIMPLER}
    if "worse" in simpler:
        start = "Something simpler is better: "
    elif clauses or not simpler:
        start = ""
    else:
        start = "Something simpler may be as good: " if "open" in simpler else "Nothing simpler is as good: "
    for outcome, words in (("worse", "it is worse than"), ("open", "it is not shown to beat"), ("better", "it beats")):
        rivals = [
            f"{baseline_name(name, ensemble.size)} ({_difference(comparison)})"
            for name, comparison in shown.items()
            if comparison.verdict == outcome
        ]
        clauses += [f"{words} {_listed(rivals, 'or' if outcome == 'open' else 'and')}"] if rivals else []
    if not ensemble.is_single_best and not _shown_to_beat_the_best(run):
        clauses.append("no ensemble is shown to beat the best single member")
    return _sentence(start + "; ".join(clauses))


def beside_parent(run: Run, ensemble: Ensemble) -> str:
    """Say what an ensemble costs beside the network that its members were made from; empty where nothing is known."""
    both = [name for name in ensemble.costs if run.parent_costs.get(name, 0) > 0]
    times = ", ".join(f"{ensemble.costs[name] / run.parent_costs[name]:.2f} times the {name}" for name in both)
    return f"Compared with the parent it has {times}." if both else ""


def with_interval(error: float, interval: tuple[float, float]) -> str:
    """Write an error with its 95 % interval, in percent."""
    low, high = interval
    return f"{100 * error:.2f} % (95 % interval: {100 * low:.2f} to {100 * high:.2f})"


def _expected_metric(metric: Metric, estimate: Estimate | None) -> str:
    """Say what value of the leading metric to expect, as the start of a sentence that goes on with the error."""
    said = []
    if estimate is not None and estimate.value is not None:
        said.append(f"expect {shown_value(estimate.value)} on unseen samples, the mean of {estimate.n_folds} folds")
    if metric.test is not None:
        said.append(f"on the test split it is {shown_value(metric.test)}{_span(metric.test_interval)}")
    return f"Of {metric.name}, {'; '.join(said)}. " if said else ""


def _harder(run: Run) -> str:
    """Say where the test split is harder or easier than the search split: the whole pool was not chosen by errors."""
    whole = run.whole_pool
    if whole.interval("test") is None or whole.intervals:
        return ""
    on_search, on_test = whole.error("search"), whole.error("test")
    both = (whole.search_errors + (whole.test_errors or 0)) / (run.n_search + (run.n_test or 0))
    spread = (both * (1 - both) * (1 / run.n_search + 1 / (run.n_test or 1))) ** 0.5
    if abs(on_test - on_search) <= TOO_FAR * spread:
        return ""
    harder = "harder" if on_test > on_search else "easier"
    pools = f"the whole pool errs on {100 * on_search:.2f} % of the search split and on {100 * on_test:.2f} % of this"
    return f" (that split is {harder}: {pools})"


def _beside_simpler_by(metric: Metric, size: int, *, tested: bool) -> str:
    """Say by a metric how the recommended ensemble compares with what is simpler to have."""
    differences = {name: one for name, one in metric.differences.items() if size > 1 or name != "best_k"}
    if not tested:
        rivals = [f"{one.search:+.4g} beside {baseline_name(name, size)}" for name, one in differences.items()]
        return f"On the search split, where it was chosen, {metric.name} is {_listed(rivals, 'and')}."
    found = {one.verdict for one in differences.values()}
    start = "Nothing simpler is as good"
    if "worse" in found:
        start = "Something simpler is better"
    elif found - {"better"}:
        start = "Something simpler may be as good"
    rivals = [f"{baseline_name(name, size)} {one.test:+.4g}{_span(one.interval)}" for name, one in differences.items()]
    return f"{start}: {metric.name} on the test split, minus that of {_listed(rivals, 'and')}."


def _span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (95 %: {interval[0]:.4g} to {interval[1]:.4g})"


def _itself(run: Run, ensemble: Ensemble) -> list[str]:
    """What an ensemble is that needs no search; empty where it needs one."""
    if ensemble.size == run.n_members and ensemble.size > 1:
        return ["it is the whole pool, which needs no search"]
    if not ensemble.is_single_best:
        itself = ensemble.size > 1 and "best_k" not in ensemble.comparisons
        return [f"these are {baseline_name('best_k', ensemble.size)}, which need no search"] if itself else []
    better = _shown_to_beat_the_best(run)
    told = f"{better} on this front {'is' if better == 1 else 'are'}" if better else "no ensemble is"
    return [f"it is the best single member, and {told} shown to beat it" if run.n_test else "it is the best single one"]


def _shown_to_beat_the_best(run: Run) -> int:
    having = [one.comparisons["single_best"] for one in run.front if "single_best" in one.comparisons]
    return sum(comparison.verdict == "better" for comparison in having)


def _on_search_alone(shown: dict[str, Comparison], clauses: list[str], size: int) -> str:
    rivals = [
        f"{100 * comparison.on_search:+.2f} points beside {baseline_name(name, size)}"
        for name, comparison in shown.items()
    ]
    if rivals:
        clauses.append(
            f"on the search split, where it was chosen, its error is {_listed(rivals, 'and')}, and no test split tells "
            "how much of that is luck"
        )
    return _sentence("; ".join(clauses))


def _difference(comparison: Comparison) -> str:
    assert comparison.on_test is not None
    return f"{100 * comparison.on_test:+.2f} points, p {p_value(comparison.corrected)}"


def _listed(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
