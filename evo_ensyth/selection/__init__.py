"""Choosing subsets.

``problem`` is what is asked; ``evaluator`` is the one door through which a selector has subsets judged; ``selectors``
propose them; ``front`` is what remains; ``statistics`` and ``verdict`` say what it is worth; ``run`` puts them
together. ``result`` is what comes out, ``run_folder`` its files; ``picking`` takes one ensemble from it.
"""
