"""Monitoring: what should happen by when, what did not, and who is told until somebody acts."""
