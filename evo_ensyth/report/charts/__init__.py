"""Charts as specifications of Vega-Lite: data, not a program. The page and notebooks draw the same ones.

Each module has the specification of a chart, and the rows that it draws.
"""
