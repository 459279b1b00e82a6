"""Training sets: reference columns, targets, split, scaling, selection, and how they are written."""
