"""The page says what the run says, and no name is taken for Markdown or HTML."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt

from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.report.facts import gather
from evo_ensyth.report.renderers.markdown import page
from evo_ensyth.report.verdict import verdict
from evo_ensyth.results.comparison import Discordant
from evo_ensyth.results.run import Run
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

HOSTILE = [
    "**bold** and __bold__ and _so_ on",
    "[link](http://example.org)",
    "![picture](http://example.org/x.png)",
    "<script>alert(1)</script>",
    "<http://example.org> www.example.org https://example.org",
    "a | b | c \\| d",
    "`code` ``more``",
    "&lt; &amp; &#65;",
    "~~gone~~ $x^2$ @someone",
    "# no heading",
    "back\\slash *",
    "line\nbreak\r\n\n# here\x1b[31m",
    "net_trim-0.1_fine_tuned",
]


TAGS = {"h1", "h2", "p", "strong", "img", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}


class Reader(HTMLParser):
    """Collects tags, addresses, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.add(tag)
        self.addresses += [value for key, value in attributes if key in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(text: str) -> Reader:
    reader = Reader()
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    reader.feed(markdown.render(text))
    return reader


def searched(names: list[str], problem_name: str = "hand", *, test: bool = True, **options) -> Run:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 40)
    labels = np.where(rng.random((len(names), 40)) < 0.7, truth, 1 - truth)
    members = Members(tuple(names), costs={"ms": np.arange(1, len(names) + 1)})
    held_out = Votes(labels[:, ::-1], truth[::-1], 2, "test") if test else None
    pool = Pool(members, Votes(labels, truth, 2, "search"), held_out, name=problem_name)
    problem = Problem(pool, ("error", "n_members", "ms"))
    return run(problem, "nsga2", **{"baselines": ["whole_pool"], **options})


def test_the_page_says_what_the_run_says():
    found = searched(["ant", "bee", "cow"])
    text = page(gather([found]))
    recommended = found.recommended
    low, _ = recommended.interval("test")
    assert text.startswith(
        "# hand: nsga2, seed 1; vote: plurality, ties by log-odds; minimised: error, n_members, ms\n"
    )
    assert "Which of the 3 members, voting together, are best by error, n_members, ms?" in text
    assert "Chosen on 40 samples of the search split, then judged once on 40 samples of the test split." in text
    assert text.split("\n\n")[1:4] == [f"**{verdict(found)[0]}**", *verdict(found)[1:]]
    errors = f"{recommended.search_errors / 0.4:.2f} % | {recommended.test_errors / 0.4:.2f} % ({100 * low:.2f} to"
    assert errors in text
    assert "![The front on both splits](front.svg)" in text
    assert f"{found.front.n_evaluations:,} ensembles judged" in text
    assert found.fingerprints["search"][:16] in text
    for name in ("ant", "evo_ensyth", "numpy", "reference point: error"):
        assert name in text


def test_what_an_ensemble_costs_beside_the_parent_is_told_and_gains_that_do_not_hold_are_warned_of():
    found = searched(["ant", "bee", "cow", "dog", "eel"])
    ensemble = replace(
        found.front[0], costs={"bytes": 30.0},
        discordant={"best_k": Discordant((2, 8), (1, 12)), "single_best": Discordant((2, 8), (5, 6))},
    )  # fmt: skip
    front = replace(found.front, ensembles=(ensemble,))
    text = page(gather([replace(found, front=front, recommended_index=0, parent_costs={"bytes": 40.0})]))
    assert "Compared with the parent it has 0.75 times the bytes." in text
    assert "- The gain over the best single member may be luck: -15.00 points on the search split" in text


def test_each_ensemble_is_compared_with_the_baselines():
    found = searched(["ant", "bee", "cow", "dog", "eel"])
    text = page(gather([found])).split("## Is it worth the search?")[1].split("##")[0]
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(found.front)
    for row, ensemble in zip(rows, found.front, strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
        for baseline, cell in zip(("best_k", "single_best", "whole_pool"), cells, strict=True):
            comparison = ensemble.comparisons.get(baseline)
            assert cell.startswith(str(comparison) if comparison else "the same")


def test_every_table_has_as_many_cells_in_each_row():
    text = page(gather([searched(HOSTILE[:6], "a | b")]))
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<table>") == 4
    for table in html.split("<table>")[1:]:
        rows = [row.count("</td>") + row.count("</th>") for row in table.split("</table>")[0].split("<tr>")[1:]]
        assert len(set(rows)) == 1, table


def test_no_name_is_taken_for_markup():
    found = searched(HOSTILE, budget=100)
    for title in HOSTILE:
        reader = rendered(page(gather([replace(found, problem=title)])))
        assert reader.tags <= TAGS
        assert reader.addresses == ["front.svg"]
        shown = title.replace("\r\n", "  ").replace("\n", " ").replace("\x1b", "\\x1b")
        assert " ".join(f"{shown}: nsga2, seed 1".split()) in " ".join(reader.text.split())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_member_is_called_by_its_name(name):
    reader = rendered(page(gather([searched([name])])))
    shown = name.replace("\r\n", "  ").replace("\n", " ").replace("\x1b", "\\x1b")
    assert " ".join(reader.text.split()).count(" ".join(shown.split())) >= 2
    assert reader.addresses == ["front.svg"]


def test_an_ordinary_name_stays_readable_in_the_source():
    assert "net_trim-0.1_fine_tuned" in page(gather([searched(["net_trim-0.1_fine_tuned", "b"])]))


def test_many_members_are_not_all_listed():
    found = searched([f"m{i}" for i in range(20)], budget=300)
    whole = found.whole_pool
    forged = replace(found, front=replace(found.front, ensembles=(whole,)), recommended_index=0)
    text = page(gather([forged]))
    assert "m9 and 10 more" in text
    assert text.count("m10,") == 1  # in the verdict


def test_without_a_test_split_the_page_says_that_the_error_is_unknown():
    text = page(gather([searched(["a", "b"], test=False, n_folds=0)]))
    assert "then judged once on no test split" in text
    assert "how much of this is luck is unknown" in text
    assert "Its error on unseen samples is unknown: there is neither a nested estimate nor a test split." in text
    assert "test error, 95 % interval" in text


def test_an_interrupted_run_says_so_first():
    found = replace(searched(["a", "b"]), interrupted=True)
    assert page(gather([found])).split("\n\n")[1] == "**Interrupted:** this is what was found up to then."
