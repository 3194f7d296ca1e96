"""The options by which commands read tables and folders of predictions, declared once."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from evo_ensyth.pool.tables import Columns


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What a user says of the columns of a table; every field is an option of the commands that read one."""

    truth: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of a table: the column of the true classes. [default: truth]")
    ] = None
    id: Annotated[str | None, typer.Option(metavar="COLUMN", help="What identifies a sample. [default: id]")] = None
    groups: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Groups of samples. [default: groups, if there is one]")
    ] = None
    weights: Annotated[str | None, typer.Option(metavar="COLUMN", hidden=True)] = None
    long: Annotated[
        str | None,
        typer.Option(metavar="SAMPLE,MEMBER,LABEL", help="Columns of a table with a row for each answer."),
    ] = None
    scores: Annotated[str | None, typer.Option(metavar="NAME__CLASS", help="How columns of scores are called.")] = None
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="A table of the test split.")] = None
    test_from: Annotated[
        str | None, typer.Option(metavar="COLUMN=VALUE", help="Which rows are the test split, such as fold=5.")
    ] = None
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Open a folder of your own that runs code when opened, such as AutoGluon's."),
    ] = False

    def columns(self, members: Sequence[str] | None) -> "Columns":
        """Columns of the table; errors as in `table_columns`."""
        from evo_ensyth.pool.tables import table_columns

        return table_columns(
            self.truth, members or (), self.id, self.groups, self.long, self.scores, self.test_from, self.weights
        )


def with_table_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of `TableOptions` as options, instead of its parameter ``table``."""
    own = {part.name: inspect.Parameter(part.name, inspect.Parameter.KEYWORD_ONLY) for part in fields(TableOptions)}
    hints = get_type_hints(TableOptions, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if parameter.name == "table":
            parameters += [
                part.replace(annotation=hints[name], default=getattr(TableOptions, name)) for name, part in own.items()
            ]
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    def with_options(**values: Any) -> None:
        command(table=TableOptions(**{name: values.pop(name) for name in own}), **values)

    with_options.__doc__, with_options.__name__ = command.__doc__, command.__name__
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options
