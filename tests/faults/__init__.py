"""Faults: what strikes continuum while it works, and what must hold afterwards (docs/reliability.md)."""
