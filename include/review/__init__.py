"""The quarterly review: what the data say of features, models, data quality and cost, and what follows."""
