"""Choosing subsets of a pool.

``problem`` holds a pool and the objectives to minimise, ``constraints`` the limits that ensembles must keep. A selector
proposes subsets to the ``evaluator``, which spends a ``budget`` and keeps the best in an ``archive``; the ``selectors``
are plug-ins, one file each. ``run`` runs a selector and its baselines, then evaluates their fronts on the test split.
``exact`` proves that nothing better exists.
"""
