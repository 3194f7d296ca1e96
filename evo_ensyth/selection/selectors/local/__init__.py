"""One family of selectors, one file each; see `evo_ensyth.selection.selectors`."""
