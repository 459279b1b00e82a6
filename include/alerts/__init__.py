"""Incidents, and the messages that tell people of them."""
