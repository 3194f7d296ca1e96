"""Local search: improve a front step by step with neighbours of its subsets."""
