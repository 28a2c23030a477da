"""A bar for what takes a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

Watch = Callable[[float, float], None]
"""Told how much is dealt with, and of how much."""


@contextmanager
def shown(console: Console, what: str) -> Iterator[Watch]:
    """Drawn at once, and left as it ends."""
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
