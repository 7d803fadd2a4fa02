"""Other suites' operations under their own names: what micro measures in their place."""
