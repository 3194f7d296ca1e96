"""The two errors a caller may want to catch."""


class EvoEnsythError(Exception):
    """Anything this package says on purpose. The command line prints it as one line and exits with status 2."""


class InputError(EvoEnsythError, ValueError):
    """What was handed in is wrong. The message names the file and the field, and says what was expected."""
