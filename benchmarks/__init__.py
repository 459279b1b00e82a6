"""Side-by-side timings. They print ratios; no test depends on them."""
