"""Operators and triggers that the providers lack."""
