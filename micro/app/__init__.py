"""What the commands do: options in, results out; no command line and no printing."""
