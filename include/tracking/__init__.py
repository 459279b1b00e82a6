"""Records of training runs for a tracking server: an outbox in the bucket, and MLflow behind an interface."""
