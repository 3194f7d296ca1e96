"""Choosing subsets.

``problem`` is what is asked; ``evaluator`` is the one door through which a selector has subsets judged; ``selectors``
propose them; ``front`` is what remains; ``statistics`` says what it is worth; ``run`` puts them together.
"""
