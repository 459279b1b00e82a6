"""Weekly retraining: when it begins, champion against challenger on a hold-out, and what becomes of both."""
