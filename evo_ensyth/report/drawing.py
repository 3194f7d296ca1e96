"""What all pictures have in common: colours, style, names that fit, and the files of a figure."""

import io
import warnings

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from evo_ensyth.errors import one_line

# Okabe and Ito's colours, told apart by people who see few; the first is for what the report is about.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LEGEND_WIDTH = 2.0  # inches
LONGEST_NAME = 60  # characters: a longer one would leave no room for the axes
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "font.size": 10,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.usetex": False,
    "svg.hashsalt": "evo_ensyth",
    "svg.fonttype": "none",
}


def axes_or_new(ax: Axes | None, width: float = 7.0, height: float = 4.4) -> Axes:
    """Return the axes that are given, or those of a new figure of this size in inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # only here: it chooses a backend that opens windows

    made: Axes = plt.subplots(figsize=(width, height))[1]
    return made


def figure_files(figure: Figure, stem: str) -> dict[str, bytes]:
    """Return a figure as ``.png`` and ``.svg``; the same figure gives the same bytes. To be called within `STYLE`."""
    png, svg = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        # The reader sees a box instead of the character; the SVG has the character.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.dpi = 140
        if layout := figure.get_layout_engine():  # once: `savefig` would do it, and draw, twice for each file
            layout.execute(figure)
            figure.set_layout_engine("none")
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
    return {f"{stem}.png": png.getvalue(), f"{stem}.svg": svg.getvalue()}


def shown_name(text: str) -> str:
    """Shorten what would not fit, and leave out what could not be drawn."""
    text = one_line(text)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."
