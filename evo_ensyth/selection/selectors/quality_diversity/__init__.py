"""Quality-diversity: multisets of members are bred from an archive of good and different ones."""
