"""How fast it is: measurements beside their bound and the naive way. `python -m tests.bench` runs them (docs/performance.md)."""
