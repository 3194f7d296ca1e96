"""Every snippet of the README, the docs and the docstrings runs; commands that take minutes are only checked.

Python blocks of one page share their names and run in order; what a page does not show stands in an HTML comment, as
sybil's `invisible-code-block`. Shell blocks run line by line in a folder that holds ``predictions.npz``, the reference
runs, and the run of the README's first command.
"""

import re
import shlex
import shutil
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from oracles.votes import random_votes
from sybil import Document, Region, Sybil
from sybil.document import PythonDocStringDocument
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers import markdown, rest
from sybil.region import Lexeme

from evo_ensyth.cli import main as cli

# Commands that start like this are not run: the reason, and then their options are looked up in their help.
NOT_RUN = {
    "evo_ensyth search digits-predictor": "needs AutoGluon",
    "evo_ensyth convert digits-predictor": "needs AutoGluon",
    "evo_ensyth pick runs/digits/nsga2-seed2": "needs a pool that was measured",
    "evo_ensyth pool": "building a pool takes minutes to hours",
    "evo_ensyth search digits": "builds its pool first",
    "evo_ensyth export": "needs the networks of a pool",
    "evo_ensyth verify": "needs a file that was exported",
    "evo_ensyth search predictions.npz --selector exact --scheduler": "starts processes, or needs a scheduler",
    "evo_ensyth search predictions.npz --splits 100": "needs a scheduler",
    "evo_ensyth search runs/reference/fashion_mnist/predictions.npz --selector exact": "takes half a minute",
    "evo_ensyth search runs/reference/fashion_mnist_mixed/predictions.npz --at-most": "takes ten seconds",
    "evo_ensyth search digits_latency": "builds its pool first",
    "evo_ensyth search fashion_mnist": "builds its pool first",
    "evo_ensyth search mine.py": "builds its pool first",
}

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MODULES = sorted(path for path in ROOT.glob("evo_ensyth/**/*.py") if re.search(r">>> |::\n\n    ", path.read_text()))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_snippets_of_a_page_run(path, desk, capfd):
    shell = markdown.CodeBlockParser("sh", lambda example: _run_lines(example.parsed, capfd))
    evaluate(path, Document, [markdown.PythonCodeBlockParser(), shell])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_snippets_of_a_docstring_run(path, desk):
    evaluate(path, PythonDocStringDocument, [rest.DocTestParser(), literal_blocks])


def test_a_command_that_is_not_run_is_in_the_docs():
    blocks = [block for path in PAGES for block in re.findall(r"^```sh\n(.*?)^```", path.read_text(), re.M | re.S)]
    lines = [" ".join(_plain(command)) for block in blocks for command in _commands(block)]
    gone = [start for start in NOT_RUN if not any(_starts(line, start) for line in lines)]
    assert not gone, "nothing in the docs starts like this any more"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("python -m evo_ensyth search nothing.npz", "nothing.npz does not exist"),
        ("python -m evo_ensyth search fashion_mnist --sed 1", "No such option: --sed"),
        ("python benchmarks/growth.py --loud", "--loud"),
        ("make coffee", "coffee"),
        ("pip install '.[coffee]'", "coffee"),
        ("rm -r somewhere", "rm"),
    ],
)
def test_a_command_that_fails_is_caught(line, message, desk, capfd):
    with pytest.raises(AssertionError, match=message):
        _run_lines(line, capfd)


def test_a_python_snippet_that_fails_is_caught(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Once\n\n```python\nvotes = 1\n```\n\n```python\nvotes + missing\n```\n")
    with pytest.raises(NameError, match="missing"):
        evaluate(page, Document, [markdown.PythonCodeBlockParser()])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with what the docs speak of: a file of predictions, and runs."""
    rng = np.random.default_rng(0)
    arrays = {"names": [f"model-{i}" for i in range(12)], "cost_euros": rng.integers(1, 9, 12)}
    for split, n_samples in (("search", 400), ("test", 300)):
        labels, truth = random_votes(rng, 12, n_samples, 4, 0.9)
        scores = (np.eye(4)[labels] + rng.random((12, n_samples, 4))) / 3
        arrays |= {f"{split}_scores": scores / scores.sum(axis=2, keepdims=True), f"{split}_truth": truth}
    np.savez(tmp_path / "predictions.npz", **arrays)
    shutil.copytree(ROOT / "runs" / "reference", tmp_path / "runs" / "reference")
    mixed = tmp_path / "runs" / "reference" / "fashion_mnist_mixed" / "predictions.npz"
    with np.load(mixed) as whole:  # a tenth of the samples, as three pages search it
        arrays = dict(whole)
    for name in [name for name in arrays if re.match("(search|test)_", name)]:
        by_sample = arrays[name] if arrays[name].ndim == 1 else arrays[name][:, ::10]
        arrays[name] = by_sample[::10] if by_sample.ndim == 1 else by_sample
    np.savez(mixed, **arrays)
    shutil.copytree(ROOT / "runs" / "reference" / "fashion_mnist", tmp_path / "runs" / "digits" / "nsga2-seed1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(path: Path, kind: type[Document], parsers: list) -> None:
    """Run the examples of a file in order; the first one that fails raises."""
    for example in Sybil(parsers, document_types={path.suffix: kind}).parse(path).examples():
        example.evaluate()


def literal_blocks(document: Document) -> Iterator[Region]:
    """Blocks after a double colon that are Python, which a stranger would copy as they are."""
    for match in re.finditer(r"::\n\n((?: {4}.*\n|\n)+)", document.text):
        source = textwrap.dedent(match[1]).replace('\\"', '"')
        if re.match(r"(from|import|class|def|@)", source):
            lexeme = Lexeme(source, offset=match.start(1) - match.start(), line_offset=1)
            yield Region(match.start(), match.end(), lexeme, PythonEvaluator())


def _run_lines(block: str, capfd: pytest.CaptureFixture) -> None:
    for command in _commands(block):
        _run(command, capfd)


def _commands(block: str) -> list[list[str]]:
    """Commands of a shell block as words, without comments."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def _plain(words: list[str]) -> list[str]:
    """Words of a command from the program's name on, whatever way it is started."""
    if words[0].endswith("evo-ensyth"):
        words = ["evo-ensyth", *words[1:]]
    if words[0].endswith("python"):
        words = words[2:] if words[1] == "-m" else words[1:]
    return ["evo_ensyth" if words[0] == "evo-ensyth" else words[0], *words[1:]]


def _run(words: list[str], capfd: pytest.CaptureFixture) -> None:
    program, *arguments = _plain(words)
    line = " ".join((program, *arguments))
    if program == "evo_ensyth":
        not_run = any(_starts(line, start) for start in NOT_RUN)
        status = cli.run([*arguments, "--help"] if not_run else arguments)
        assert status == 0, capfd.readouterr().err
    elif program.startswith("benchmarks/"):
        known = (ROOT / program).read_text()
        unknown = [word for word in arguments if word.startswith("--") and f'"{word}"' not in known]
        assert not unknown, f"{program} has no {', '.join(unknown)}"
    elif program == "-c":
        compile(arguments[0], line, "exec")  # tests/deployment runs it
    elif program == "make":
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        unknown = [word for word in arguments if "=" not in word and word not in targets]
        assert not unknown, f"the Makefile has no {', '.join(unknown)}"
    elif program == "pip":
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        unknown = [extra for extra in re.findall(r"\[(\w+)\]", line) if extra not in known]
        assert not unknown, f"pyproject.toml has no extra {', '.join(unknown)}"
    else:
        raise AssertionError(f"no test knows how to run '{line}'")


def _starts(line: str, start: str) -> bool:
    return line == start or line.startswith(f"{start} ")
