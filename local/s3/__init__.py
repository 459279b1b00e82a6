"""An S3 that fits on a laptop: a small server that keeps objects in a folder.

It speaks what boto3, Airflow's S3Hook and pyarrow need: buckets, objects, conditional writes, ranges,
listings, copies and multipart uploads, path-style, with the error codes of the real one. It tells its
clients apart by the key id of their signature and does not check the signature itself: it listens on
this machine only.
"""
