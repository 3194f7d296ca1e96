"""What a search found, and what it is worth."""
