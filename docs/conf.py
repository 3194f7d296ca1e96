"""How Sphinx makes the site of this folder: ``make docs`` writes it to ``build/site``.

The pages are Markdown that reads well on a code host too. A build downloads nothing, so it gives the same site without
a network.
"""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

import evo_ensyth

sys.path.insert(0, str(Path(__file__).parent))  # for the directives

project = "evo_ensyth"
author = "The evo_ensyth authors"
release = version = evo_ensyth.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "directives"]
exclude_patterns = ["demo"]
myst_heading_anchors = 4

# Names in single backticks are objects where there is one of the name.
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"  # docstrings say types, with shapes and units
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"evo_ensyth {release}"
html_show_copyright = html_show_sphinx = html_copy_source = False

# Files above this folder that have a page here.
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def lead_to_pages(app: Sphinx, name: str, text: list[str]) -> None:
    """Links to files above this folder, which a code host follows, lead to pages here or else name the file."""
    text[0] = re.sub(r"(?<!!)\[([^\]]*)\]\(\.\./([^)#]*)\)", _link, text[0])


def _link(link: re.Match[str]) -> str:
    page = PAGES.get(link[2])
    return f"[{link[1]}]({page})" if page else f"`{link[2]}`"


def setup(app: Sphinx) -> None:
    """Connect the function above."""
    app.connect("source-read", lead_to_pages)
