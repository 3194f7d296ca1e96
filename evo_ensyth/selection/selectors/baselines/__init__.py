"""Baselines that any search must beat. None of them considers how members vote together before it chooses."""
