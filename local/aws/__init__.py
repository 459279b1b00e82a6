"""The embedded AWS: SageMaker that really trains, moto for the small services, S3 passed on."""
