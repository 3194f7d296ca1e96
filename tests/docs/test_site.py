"""The site builds without a warning, has every public name, plug-in and command, and asks no other host."""

import re
import warnings
from pathlib import Path

import pytest
from conftest import ROOT

import evo_ensyth as ee
from evo_ensyth import plugins
from evo_ensyth.cli.lists import FOLDERS

pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> dict[str, str]:
    """Every page of the site, by its name; built in this process, which has most imports already."""
    from sphinx.cmd.build import build_main

    folder: Path = tmp_path_factory.mktemp("site")
    told = folder / "warnings.txt"
    arguments = ["-q", "-W", "--keep-going", "-w", told, "-d", folder / "doctrees", ROOT / "docs", folder / "html"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of Python, which are about libraries
        status = build_main([str(argument) for argument in arguments])
    assert status == 0, told.read_text()
    return {path.stem: path.read_text() for path in (folder / "html").glob("*.html")}


def test_the_site_is_whole(site):
    """One test, so that the site is built once, whichever process asks."""
    _every_page_is_there(site)
    _every_public_name_is_in_the_reference(site)
    _every_plug_in_is_on_its_page(site)
    _every_command_has_its_options(site)
    _no_page_loads_anything_from_elsewhere(site)


def _every_page_is_there(site):
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= set(site)


def _every_public_name_is_in_the_reference(site):
    described = set(re.findall(r'id="(?:module-)?evo_ensyth\.([\w.]+)"', site["api"]))
    there = {name.removeprefix("selection.") for name in described}
    assert set(ee.__all__) <= there


def _every_plug_in_is_on_its_page(site):
    for folder in FOLDERS.values():
        for name in plugins.names(folder):
            assert f">{name}</span></code>" in site["plugins"], f"{name} of {folder}"


def _every_command_has_its_options(site):
    for command in ("search", "pick", "compare", "convert", "list", "pool build", "runs list"):
        assert f">evo-ensyth {command}<" in re.sub(r'</span> <span class="pre">', " ", site["cli"])
    assert "--objectives NAMES" in re.sub(r"<[^>]+>", "", site["cli"])


def _no_page_loads_anything_from_elsewhere(site):
    for name, page in site.items():
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]+)"', page)
        loaded += re.findall(r'<link\b[^>]*\brel="(?:stylesheet|icon|preload)"[^>]*\bhref="([^"]+)"', page)
        loaded += re.findall(r'<link\b[^>]*\bhref="([^"]+)"[^>]*\brel="(?:stylesheet|icon|preload)"', page)
        assert loaded, name
        assert not [address for address in loaded if re.match(r"(\w+:)?//", address)], name
