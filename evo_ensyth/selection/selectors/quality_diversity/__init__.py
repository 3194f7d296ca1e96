"""Quality-diversity selectors: breed multisets of members from an archive of good and diverse ones."""
