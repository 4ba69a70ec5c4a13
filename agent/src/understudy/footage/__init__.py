"""Footage: one timeline per camera of a logical server, whoever holds the bytes."""
