"""The feature engine and its catalogue: pure arrays in, arrays out. Imports nothing on purpose."""
