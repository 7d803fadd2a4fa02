"""From rounds to figures, and from figures to growth and crossing points."""
