"""Two directives that write reference pages from the code, so that no page has to be kept in step with it.

``{plugins} selectors`` lists a family as ``evo-ensyth list selectors`` does, each plug-in with its source and its
settings. ``{commands}`` lists every command with its arguments and options, as ``--help`` does.
"""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from evo_ensyth import plugins, workspace
from evo_ensyth.cli.lists import FOLDERS, Kind
from evo_ensyth.cli.main import COMMAND, app
from evo_ensyth.objectives import Objective

# Of these families, one line each is shown, without importing them: their modules need PyTorch or a data set.
BRIEF = {Kind.DATASETS, Kind.NETWORKS, Kind.PROBLEMS}


class Plugins(SphinxDirective):
    """All plug-ins of a family, by the folder that they lie in."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse what `family` writes, where the directive is."""
        return self.parse_text_to_nodes("\n\n".join(family(Kind(self.arguments[0]))), allow_section_headings=True)


class Commands(SphinxDirective):
    """All commands with their arguments and options."""

    def run(self) -> list[nodes.Node]:
        """Parse what `command` writes, where the directive is."""
        text = "\n\n".join(command(typer.main.get_command(app), COMMAND))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def family(kind: Kind) -> Iterator[str]:
    """Paragraphs of Markdown that describe every plug-in of a family."""
    if kind in BRIEF:
        lines = workspace.describe_problems() if kind is Kind.PROBLEMS else plugins.describe(FOLDERS[kind])
        yield "\n".join(f"- `{name}`: {line.replace('``', '`')}" for name, line in lines.items())
        return
    folder = FOLDERS[kind]
    modules = {name: plugins.load(folder, name, kind) for name in plugins.names(folder)}
    classes = {each.lower(): each for each in plugins.class_names(folder)}
    shown: list[Any] = [folder]
    for name, module in sorted(modules.items(), key=lambda item: (item[1].__package__, item[0])):
        grouped = module.__package__ != folder
        if module.__package__ not in shown:
            shown.append(module.__package__)
            yield f"### {module.__package__.rpartition('.')[2].replace('_', ' ').capitalize()}"
            yield _rst(_doc(sys.modules[module.__package__]).partition("\n\n")[0])
        heading, source = f"{'####' if grouped else '###'} `{name}`", _rst(_doc(module))
        if kind is Kind.OBJECTIVES:
            goal = plugins.only(module, Objective)
            yield from (heading, source, _rst(_doc(goal.evaluate)), f"Unit: {goal.unit}." if goal.unit else "")
            continue
        found = getattr(module, classes[name.replace("_", "")])
        for base in found.__mro__[1:]:
            if "Attributes" in _doc(base) and base not in shown:
                shown.append(base)
                yield _rst(f".. autoclass:: {base.__module__}.{base.__name__}")
        yield from (heading, source, _rst(f".. autoclass:: {module.__name__}.{found.__name__}"))


def command(found: Any, name: str) -> Iterator[str]:
    """Paragraphs of Markdown that describe a command, and then each command below it."""
    context = typer.Context(found, info_name=name)
    below = getattr(found, "commands", {})
    if not below:
        yield f"### `{name}`"
        yield inspect.cleandoc(found.help or "")
        yield f"```text\n{found.get_usage(context).partition(': ')[2]}\n```"
        rows = [parameter.get_help_record(context) for parameter in found.get_params(context)]
        cells = [[cell.replace("|", r"\|") for cell in row] for row in rows if row]
        yield "\n".join(["| | |", "| --- | --- |", *(f"| `{left}` | {right} |" for left, right in cells)])
    for word, one in below.items():
        yield from command(one, f"{name} {word}")


def setup(app: Sphinx) -> None:
    """Let pages use the directives."""
    app.add_directive("plugins", Plugins)
    app.add_directive("commands", Commands)


def _doc(described: Any) -> str:
    return inspect.getdoc(described) or ""


def _rst(text: str) -> str:
    """Text of a docstring, as a block of Markdown that is parsed as such."""
    return f"````{{eval-rst}}\n{text}\n````"
