"""Choosing subsets of a pool.

``problem`` says what is asked, ``constraints`` what an ensemble must keep. A selector proposes subsets to the
``evaluator``, which spends a ``budget`` and keeps the best in an ``archive``; the ``selectors`` are plug-ins, one file
each. ``run`` lets a selector and its baselines search, and judges what they found on the test split. ``exact`` proves
that nothing better exists.
"""
