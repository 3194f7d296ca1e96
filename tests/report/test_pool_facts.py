"""What is said of a pool, against what is counted pair by pair; and that it can be drawn, whatever names it has."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oracles.votes import random_votes
from report.renderers.test_page import HOSTILE, Page

from evo_ensyth.errors import InputError
from evo_ensyth.io import StoredPool
from evo_ensyth.pool import Members, Parent, Pool, Votes
from evo_ensyth.report import pool_page, write_pool_report
from evo_ensyth.report.pool_console import print_pool
from evo_ensyth.report.pool_facts import BOTH, EQUAL_ERRORS, OTHER, PRUNED, QUANTISED, gather_pool
from evo_ensyth.report.pool_plots import spread

ORIGINS = [
    *[{"method": "magnitude"}] * 4,
    *[{"method": "quantisation"}] * 3,
    *[{"method": "quantisation", "of": {"method": "magnitude"}}] * 2,
]
KINDS = [PRUNED] * 4 + [QUANTISED] * 3 + [BOTH] * 2


@pytest.fixture
def stored():
    def stored(origins=ORIGINS, accuracy=0.8, names=None, seed=0):
        rng, n = np.random.default_rng(seed), len(origins)
        labels, truth = random_votes(rng, n, 400, 3, accuracy)
        members = Members(
            tuple(names or (f"m{i}" for i in range(n))),
            origins=tuple(origins),
            costs={"macs": rng.integers(1, 9, n), "bytes": rng.integers(1, 9, n)},
        )
        bits = [4 if origin["method"] == "quantisation" else 32 for origin in origins]
        layers = tuple([{"weights": {"bits": b}}, {}] for b in bits)
        search, test = Votes(labels[:, :250], truth[:250], 3, "search"), Votes(labels[:, 250:], truth[250:], 3, "test")
        parent = Parent({"bytes": 12.0}, {"search": truth[:250], "test": 0 * truth[250:]})
        return StoredPool(Path("here"), "drawn", Pool(members, search, test, parent), {}, layers)

    return stored


def test_members_are_grouped_by_method_and_kind(stored):
    facts = gather_pool(stored())
    assert facts.kinds == tuple(KINDS)
    assert facts.methods == ("magnitude",) * 4 + ("quantisation",) * 3 + ("magnitude, quantisation",) * 2
    assert facts.of_method("quantisation").tolist() == [4, 5, 6]
    mixed = gather_pool(stored(ORIGINS[::-2]))
    assert [mixed.methods[i] for i in mixed.by_method] == sorted(mixed.methods, key=list(mixed.curves).index)


def test_members_of_another_parent_are_a_kind_of_their_own(stored):
    """They are kept apart, and nobody compares a pruned copy of one network with a quantised one of another."""
    others = [{**origin, "parent": "second"} for origin in ORIGINS[:6]]
    facts = gather_pool(stored([*ORIGINS[:7], *others]))
    assert facts.kinds == (*KINDS[:7], *[OTHER] * 6)
    assert facts.methods[7:] == ("second: magnitude",) * 4 + ("second: quantisation",) * 2
    assert {pair.kinds: pair.n_pairs for pair in facts.pairs} == {
        (PRUNED, PRUNED): 6, (PRUNED, QUANTISED): 12, (PRUNED, OTHER): 24, (QUANTISED, QUANTISED): 3,
        (QUANTISED, OTHER): 18, (OTHER, OTHER): 15,
    }  # fmt: skip
    alone = gather_pool(stored(ORIGINS[:7]))
    assert sum(part.n_triples for part in facts.matched) <= 24
    assert [part.kind for part in alone.matched] == [part.kind for part in facts.matched]


def test_errors_and_disagreements_are_those_counted_by_hand(stored):
    pool = stored()
    facts = gather_pool(pool)
    for votes in (pool.pool.search, pool.pool.test):
        expected = [np.mean(row != votes.y_true) for row in votes.y_pred]
        np.testing.assert_allclose(facts.errors[votes.split], expected)
    labels = pool.pool.search.y_pred
    for i in range(9):
        for j in range(9):
            assert facts.disagreement[i, j] == pytest.approx(np.mean(labels[i] != labels[j]))
        others = [np.mean(labels[i] != labels[j]) for j in range(9) if j != i]
        assert facts.mean_disagreement()[i] == pytest.approx(np.mean(others))
    assert facts.parent == {"bytes": 12.0, "search": 0.0, "test": np.mean(pool.pool.test.y_true != 0)}


def test_a_curve_holds_what_nothing_of_its_method_is_better_than(stored):
    for seed in range(20):
        facts = gather_pool(stored([{"method": "a"}] * 7 + [{"method": "b"}] * 5, seed=seed), "macs")
        costs, errors = facts.costs["macs"], facts.errors["search"]
        for method, curve in facts.curves.items():
            points = {(costs[i], errors[i]) for i in facts.of_method(method)}
            best = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
            assert [(costs[i], errors[i]) for i in curve] == sorted(best)


def test_pairs_of_each_kind_are_averaged(stored):
    pool = stored()
    facts = gather_pool(pool)
    assert sum(pair.n_pairs for pair in facts.pairs) == 36
    for pair in facts.pairs:
        ours = [(i, j) for i in range(9) for j in range(i) if sorted((KINDS[i], KINDS[j])) == sorted(pair.kinds)]
        assert pair.n_pairs == len(ours)
        assert pair.disagreement == pytest.approx(np.mean([facts.disagreement[p] for p in ours]))
        assert pair.error == pytest.approx(np.mean([facts.errors["search"][list(p)] for p in ours]))


def test_unlike_kinds_are_compared_with_like_ones_of_equal_error(stored):
    n_found = 0
    for seed in range(10):
        pool = stored(seed=seed)
        facts, labels = gather_pool(pool), pool.pool.search.y_pred
        errors = facts.errors["search"]
        expected = {}
        for kind, other in ((PRUNED, QUANTISED), (QUANTISED, PRUNED)):
            rows = []
            for a in range(9):
                for b in range(9):
                    if (KINDS[a], KINDS[b]) != (kind, other):
                        continue
                    own = [c for c in range(9) if KINDS[c] == kind and c != a]
                    c = min(own, key=lambda c: abs(errors[c] - errors[b]))
                    if abs(errors[c] - errors[b]) <= EQUAL_ERRORS:
                        rows.append((labels[a] != labels[b]).astype(float) - (labels[a] != labels[c]))
            if rows:
                by_sample = np.mean(rows, axis=0)
                reach = 1.959964 * by_sample.std(ddof=1) / np.sqrt(250)
                expected[kind] = (len(rows), by_sample.mean(), by_sample.mean() - reach, by_sample.mean() + reach)
        for part in facts.matched:
            found = (part.n_triples, part.difference, *part.interval)
            assert found == pytest.approx(expected.pop(part.kind), abs=1e-6)
            n_found += 1
        assert not expected
    assert n_found > 10


def test_the_verdict_says_what_the_interval_says(stored):
    """Pruned members answer 0 and quantised ones 1, or the other way round on a few samples that mean nothing."""
    pool, truth = stored(), np.arange(250) % 2
    labels = np.repeat([[0], [1], [0]], (4, 3, 2), axis=0) * np.ones(250, dtype=int)
    verdict = gather_pool(replace(pool, pool=replace(pool.pool, search=Votes(labels, truth, 3, "search")))).verdict
    sure = "disagrees more often (+100.00 points, 95 %: +100.00 to +100.00) with a"
    assert verdict == (
        f"A pruned member {sure} quantised one than with an equally accurate pruned one. "
        f"A quantised member {sure} pruned one than with an equally accurate quantised one."
    )
    labels[:] = 0
    labels[1:4] = np.arange(250) < 2
    verdict = gather_pool(replace(pool, pool=replace(pool.pool, search=Votes(labels, truth, 3, "search")))).verdict
    assert "A quantised member disagrees neither more nor less often (+0.60 points, 95 %: -0.23 to +1.43)" in verdict
    few = gather_pool(stored(ORIGINS[:4]))
    assert few.matched == ()
    assert "cannot be said: there are no three of them with errors within 1 points" in few.verdict


def test_the_summary_is_json_that_knows_all_members(stored):
    facts = gather_pool(stored())
    said = json.loads(json.dumps(facts.summary(), allow_nan=False))
    assert [member["name"] for member in said["members"]] == [f"m{i}" for i in range(9)]
    assert said["members"][4]["kind"] == QUANTISED
    assert said["members"][4]["error"]["test"] == facts.errors["test"][4]
    assert said["members"][4]["costs"] == {cost: int(facts.costs[cost][4]) for cost in ("macs", "bytes")}
    assert said["curves"].keys() == facts.curves.keys()
    assert np.shape(said["disagreement"]) == (9, 9)
    assert gather_pool(stored(ORIGINS[:1])).summary()["members"][0]["mean_disagreement"] is None


@pytest.mark.parametrize("cost", ["bytes", "macs", None])
def test_the_cost_of_the_curves_can_be_chosen(stored, cost):
    assert gather_pool(stored(), cost).cost == (cost or "bytes")


def test_a_cost_that_a_pool_does_not_have_is_refused(stored):
    with pytest.raises(InputError, match="the pool has no cost 'euros'; there is macs, bytes"):
        gather_pool(stored(), "euros")
    pool = stored()
    bare = replace(pool, pool=replace(pool.pool, members=Members(pool.pool.names)))
    assert gather_pool(bare).costs["n_members"].tolist() == [1] * len(bare.pool)  # a pool without costs is shown, too


def test_the_pictures_are_written_and_the_same_each_time(stored, tmp_path):
    names = ["[red]", "$x^2$", "模型", "a" * 90, "\x1b[31m", "<b>", "&", "=1", "m"]
    origins = [{**origin, "method": f"{names[i % 5]} {origin['method']}"} for i, origin in enumerate(ORIGINS)]
    facts = gather_pool(stored(origins, names=names))
    for folder in (tmp_path / "one", tmp_path / "two"):
        assert write_pool_report(facts, folder) == folder
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert sorted(files) == [
        "curves.png", "curves.svg", "disagreement.png", "disagreement.svg", "pool-shown.json", "pool.html",
    ]  # fmt: skip
    assert json.loads(files["pool-shown.json"]) == json.loads(json.dumps(facts.summary()))
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


def test_labels_that_would_lie_on_one_another_are_moved_apart():
    np.testing.assert_allclose(spread(np.array([2.0, 10.0, 50.0]), 5, 99), [2, 10, 50])
    np.testing.assert_allclose(spread(np.array([2.0, 3.0, 4.0, 30.0]), 5, 99), [2, 7, 12, 30])
    np.testing.assert_allclose(spread(np.array([60.0, 97.0, 98.0, 99.0]), 5, 99), [60, 89, 94, 99])
    np.testing.assert_allclose(spread(np.array([4.0, 5.0, 6.0]), 50, 10), [0, 5, 10])
    np.testing.assert_allclose(spread(np.array([4.0]), 50, 10), [4])


def test_of_many_members_the_table_lists_methods(stored, capsys):
    facts = gather_pool(stored(ORIGINS * 5))
    print_pool(facts, "there")
    said = capsys.readouterr().out
    assert "45 members by 3 methods" in said
    assert "m17" not in said
    (row,) = [line for line in said.splitlines() if line.startswith("│ quantisation ")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    ours = facts.of_method("quantisation")
    errors = 100 * facts.errors["search"][ours]
    paid = facts.costs["bytes"][ours]
    assert cells[1:3] == ["15", f"{errors.min():.2f} to {errors.max():.2f}"]
    assert cells[4] == f"{paid.min()} to {paid.max()}"


def test_the_page_has_every_member_in_its_table(stored):
    facts = gather_pool(stored(names=[*HOSTILE, "a", "b", "c"]))
    content = pool_page.render(facts)["pool.html"]
    assert len(content) < 600_000
    found = Page(content)
    heading, *rows = found.tables[0]
    cells = [dict(zip(heading, row, strict=True)) for row in rows]
    points = found.points()
    for place, i in enumerate(facts.by_method.tolist()):
        assert cells[place]["member"] == facts.names[i].replace("\x1b", "\\x1b")
        assert cells[place]["method"] == facts.methods[i]
        assert float(cells[place]["bytes"]) == points[place]["cost"] == facts.costs["bytes"][i]
        assert cells[place]["disagrees, %"] == f"{100 * facts.mean_disagreement()[i]:.2f}"
        for split, errors in facts.errors.items():
            assert cells[place][f"{split} error, %"] == f"{100 * errors[i]:.2f}"
            assert points[place][split] == round(100 * errors[i], 3)
    assert len(found.points("disagreement")) == len(facts.names) ** 2
    assert found.inside["p"][1] == facts.verdict
    assert pool_page.render(facts)["pool.html"] == content
