"""Any agency's history: an event log as CSV (case, activity, time, agency), and a mapping from its activities to our commands.

`mapping` reads the mapping, `catalogue` says which commands it may name, `table` reads the rows, `spool` sorts them by case, `plan` turns
a case's rows into dated acts. docs/import.md describes it.
"""
