"""What the written tables must look like, and whether they do."""
