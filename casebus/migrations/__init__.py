"""Alembic's environment for every service; each keeps its own versions."""
