"""Proofs that no feature looks ahead, and that a month built alone equals a month built with all."""
