"""An Airtable that fits on a laptop: a small server that keeps one base in a folder.

It speaks what pyairtable needs (records, upserts, schema), with the limits, types and error bodies of the
real one, and shows its tables in a browser. It begins with an old plan that has the faults a plan collects
in a year. It listens on this machine only.
"""
