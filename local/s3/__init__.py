"""An S3 that fits on a laptop: a small server that keeps objects in a folder.

It speaks what boto3, Airflow's S3Hook and pyarrow need: buckets, objects, conditional writes, ranges,
listings, copies and multipart uploads, path-style, with the error codes of the real one. It listens on
this machine only, and answers whoever signs with its key, by header or in a presigned address.
"""
