"""Servers of many connections: models of serving them, request and response, chat."""
