"""Hosting of the embedded AWS: models, endpoints, and the processes that stand for their instances."""
