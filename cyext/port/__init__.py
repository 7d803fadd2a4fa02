"""Port allocation."""
