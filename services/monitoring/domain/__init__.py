"""Monitoring's rules of the domain: facts, clocks, policies, follow-ups, alerts, the board's view of a case. Plain Python."""
