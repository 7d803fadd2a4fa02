"""Memory mappings and page faults."""
