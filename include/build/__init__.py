"""From bars to tables: what a month follows from, building it, and whether what is stored still follows."""
