"""One family of selectors, one file each; see `evo_ensyth.search.selectors`."""
