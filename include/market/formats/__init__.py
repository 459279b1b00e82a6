"""One module per file format; each says how to recognise it and what its columns mean."""
