"""What can be said of figures, once for every kind of report."""
