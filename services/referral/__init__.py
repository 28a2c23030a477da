"""Referral: the directory of services, and who is asked to give one to the client of a case, until it has ended."""
