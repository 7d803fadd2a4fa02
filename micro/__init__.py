"""micro: what an operating system's basic operations for servers cost."""
