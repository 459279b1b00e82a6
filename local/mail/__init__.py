"""The mail catcher: an SMTP server that delivers to a folder, and pages that show what came."""
