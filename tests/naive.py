"""The oracles of votes by the name that they had; new tests import `oracles`."""

from oracles.votes import *  # noqa: F403
