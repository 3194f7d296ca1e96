"""Baselines: what any search must beat. None of them looks at how members vote together before it chooses."""
