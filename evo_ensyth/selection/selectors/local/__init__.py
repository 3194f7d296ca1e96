"""Local search: a front is improved step by step, by neighbours of its own subsets."""
