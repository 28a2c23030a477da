"""The live estimate of the flow between agencies: what can be recomputed at any time, and nothing that must not be lost.

`python -m services.monitoring.stream worker` runs the Faust worker; `rebuild` forgets what it has, so that the next worker recomputes it.
"""
