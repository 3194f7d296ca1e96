"""The command line: every command, and how the program starts and ends."""

import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from evo_ensyth import __version__
from evo_ensyth.cli import output
from evo_ensyth.cli.convert import convert
from evo_ensyth.cli.export import export, verify
from evo_ensyth.cli.limits import check_limits
from evo_ensyth.cli.lists import list_plugins
from evo_ensyth.cli.old_names import with_new_names
from evo_ensyth.cli.pool import POOL_COMMANDS, pool
from evo_ensyth.cli.runs import runs
from evo_ensyth.cli.search import compare, pick, search
from evo_ensyth.errors import EvoEnsythError, UnfinishedError, build_extra, one_line
from evo_ensyth.plugins import unknown
from evo_ensyth.selection.interruption import SIGNALLED, Interruption, heeded

COMMAND = "evo-ensyth"
HELP = ("-h", "--help")
UNFINISHED = 1
NOT_WRITTEN = 3
NO_MEMORY = 3
PIPE_CLOSED = 141  # what a shell says of a command whose reader has gone


class _StoppedError(Exception):
    """A signal ended a command."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _ReaderGoneError(Exception):
    """Whoever read the output of a command has gone."""


class _Commands(TyperGroup):
    """The commands. Left to itself, typer would end on Ctrl-C without a word, and on a closed pipe with status 1."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the arguments; prints help or the version where they are asked for."""
        try:
            return super().make_context(*arguments, **options)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        check_limits()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _StoppedError(getattr(error, "number", signal.SIGINT)) from error
        except BrokenPipeError as error:
            raise _ReaderGoneError from error


app = typer.Typer(
    cls=_Commands,
    add_completion=True,
    context_settings={"help_option_names": list(HELP)},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Find the few of many models that, voting together, beat the best of them.",
)
app.command()(search)
app.command()(compare)
app.command()(pick)
app.command()(export)
app.command()(verify)
app.command()(convert)
app.add_typer(pool, name="pool")
app.add_typer(runs, name="runs")
app.command(name="list")(list_plugins)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself; typer takes them from this signature."""


def main() -> None:
    """Run the command that the process was called with, and exit with its status."""
    output.prepare()
    name = Path(sys.argv[0]).name
    try:
        status = run(sys.argv[1:], COMMAND if name == "__main__.py" else name)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has gone, as `head` does
        status = PIPE_CLOSED
        output.discard()
    except output.OutputError as error:
        status = _complain(f"standard output cannot be written: {error.strerror}.", NOT_WRITTEN)
        output.discard()
    except OSError as error:
        status = _complain(f"{error}.", NOT_WRITTEN)
    sys.exit(status)


def run(arguments: list[str], name: str = COMMAND) -> int:
    """Run a command and return its exit status. Wrong input gives one line on standard error, and status 2.

    Parameters
    ----------
    arguments : list of str
    name : str
        What the program is called by; shells complete it by that name.
    """
    try:
        arguments = with_new_names(arguments, _is_problem, hint=_say)
        if arguments in ([], ["pool"], ["runs"]):
            arguments.append("--help")
        with build_extra(), heeded(Interruption(raises=True)):
            status = app(arguments, prog_name=name, standalone_mode=False, obj=shlex.join([name, *arguments]))
    except UnfinishedError as error:
        return _complain(str(error), UNFINISHED)
    except EvoEnsythError as error:
        return _complain(str(error), 2)
    except (KeyboardInterrupt, _StoppedError) as error:
        status = SIGNALLED + getattr(error, "number", signal.SIGINT)
        return _complain("stopped; nothing half-made is left, and what was finished is kept.", status)
    except _ReaderGoneError as error:
        raise BrokenPipeError from error
    except MemoryError as error:  # NumPy says how much was needed
        return _complain(f"there is not enough memory. {error}".rstrip(), NO_MEMORY)
    except Exception as error:
        # Typer brings its own copy of click, whose usage errors can be recognised by what they offer.
        if not hasattr(error, "format_message"):
            raise
        return _complain(f"{error.format_message().rstrip('.')}. See --help.", 2)
    return status if isinstance(status, int) else 0


def _is_problem(word: str) -> bool:
    """Whether a word after ``pool`` names a problem. What names neither is taken for a misspelt command."""
    if word in (*POOL_COMMANDS, *HELP):
        return False
    from evo_ensyth.workspace import problem_names

    # Options could come before the problem, as in `pool --dry-run digits`.
    if word in problem_names() or "." in word or word.startswith("-"):
        return True
    raise unknown("command of 'pool'", word, POOL_COMMANDS)


def _complain(message: str, status: int) -> int:
    _say(message)
    return status


def _say(message: str) -> None:
    print(f"evo_ensyth: {one_line(message)}", file=sys.stderr)
