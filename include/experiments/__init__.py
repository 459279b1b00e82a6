"""Experiments: a set of params against the champions, and A/B tests that may be looked at any time."""
