"""Alembic's entry, the same for every service: casebus.migrate gives the connection."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="alembic_version", transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
