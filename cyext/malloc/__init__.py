"""The allocator."""
