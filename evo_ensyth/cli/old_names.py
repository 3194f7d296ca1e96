"""Names of commands and options that changed. They work for one more version, and say what to write instead."""

from collections.abc import Callable

COMMANDS = {"report": "compare"}
OPTIONS = {"--against": "--baseline"}
GUIDES = ("--guide", "--criterion")  # an objective that took the place of the error
POOL_COMMANDS = {"make": "build"}
LISTS = {"combiners": "votes"}


def with_new_names(arguments: list[str], is_problem: Callable[[str], bool], hint: Callable[[str], None]) -> list[str]:
    """Replace old names in the arguments of the command line.

    Parameters
    ----------
    arguments : list of str
    is_problem : function of str
        Whether a word after ``pool`` is a problem, whose pool ``pool PROBLEM`` used to build.
    hint : function of str
        Called with a sentence for each old name.
    """
    arguments = list(arguments)
    if not arguments:
        return arguments

    def rename(place: int, names: dict[str, str]) -> None:
        old, separator, value = arguments[place].partition("=")
        if old in names:
            hint(f"'{old}' is now '{names[old]}'; the old name will be removed.")
            arguments[place] = names[old] + separator + value

    rename(0, COMMANDS)
    if arguments[0] == "search":
        for place in range(1, len(arguments)):
            rename(place, OPTIONS)
        arguments = _without_guide(arguments, hint)
    if arguments[0] == "list" and len(arguments) > 1:
        rename(1, LISTS)
    if arguments[0] == "pool" and len(arguments) > 1:
        rename(1, POOL_COMMANDS)
        if is_problem(arguments[1]):
            hint(f"'pool {arguments[1]}' is now 'pool build {arguments[1]}'; the old form will be removed.")
            arguments.insert(1, "build")
    return arguments


def _without_guide(arguments: list[str], hint: Callable[[str], None]) -> list[str]:
    """Name the objective that guided a search among the objectives instead of the error."""
    kept: list[str] = []
    guide, old, objectives = None, "", "error,n_members"
    rest = iter(arguments)
    for argument in rest:
        option, separator, value = argument.partition("=")
        if option in (*GUIDES, "--objectives"):
            value = value if separator else next(rest, "")
        if option in GUIDES:
            guide, old = value, option
        elif option == "--objectives":
            objectives = value
        else:
            kept.append(argument)
    if guide is None:
        return arguments
    wanted = ",".join(guide if name.strip() == "error" else name.strip() for name in objectives.split(","))
    hint(f"'{old} {guide}' is now '--objectives {wanted}'; the old option will be removed.")
    return [*kept, f"--objectives={wanted}"]
