"""Words that went do not come back: each line of docs/words.txt is one that codespell finds."""

import subprocess
import sys

import pytest
from conftest import ROOT

WENT = [line.partition("->")[0] for line in (ROOT / "docs" / "words.txt").read_text().splitlines()]


def spelt(text: str) -> str:
    command = [sys.executable, "-m", "codespell_lib", "-"]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False).stdout


def test_every_word_of_the_list_is_found():
    """A phrase is found only if the regex of pyproject.toml reads it as one word."""
    said = spelt("\n".join(f"a {word} there" for word in WENT))
    found = [line.partition("==>")[0].strip() for line in said.splitlines() if "==>" in line]
    assert found == WENT


@pytest.mark.parametrize("text", ["n_{}", "{}_of", "The_{}.", "`{}`"])
def test_a_word_is_found_inside_a_name(text):
    assert f"{WENT[0]} ==>" in spelt(text.format(WENT[0]))


def test_plain_words_pass():
    assert spelt("def n_members(pool, y_pred): the colour of a front is optimised\n") == ""
