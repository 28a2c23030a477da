"""Brings a service's database to its newest version, as the database's owner, and gives the service's role its rights."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from casebus.database import grant

ENVIRONMENT = Path(__file__).parent / "migrations"


def migrate(owner_url: str, versions: Path, role: str) -> None:
    """`versions` is the service's folder of migrations. Each migration is a transaction of its own; running it again changes nothing."""
    engine = create_engine(owner_url)
    try:
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(ENVIRONMENT))
            config.set_main_option("version_locations", str(versions))
            config.set_main_option("path_separator", "newline")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            grant(connection.exec_driver_sql, role)
            connection.commit()
    finally:
        engine.dispose()
