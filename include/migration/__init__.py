"""Stage 1.6.9: the legacy feature tables get the names this project works with."""
