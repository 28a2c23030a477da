"""Intake: cases until they are opened, who takes part in them, and who leads."""
