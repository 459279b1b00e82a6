"""Serving: features of any minute, archives and routing of models, the endpoint, and who asks it."""
