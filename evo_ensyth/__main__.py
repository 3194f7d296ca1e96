"""``python -m evo_ensyth``."""

from evo_ensyth.cli.main import main

if __name__ == "__main__":
    main()
