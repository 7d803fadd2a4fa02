"""Files and texts for other programs."""
