"""Messages between processes and threads."""
