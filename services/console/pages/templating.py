"""Templates, with the filters they use."""

from functools import partial
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.console.clients import Entry, Timeline
from services.console.pages import acting, words
from services.console.pages.board import alerts_table, cases_table, flow_table, link, trend_table
from services.console.pages.feed import Parts, Snapshot

PARTS = ("notices", "now", "figures", "alerts", "flow", "trend", "cases")


def templates(zone: ZoneInfo) -> Environment:
    """The console's templates; times are written in `zone`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "readable": words.readable,
        "thousands": words.thousands,
        "short_id": words.short_id,
        "span": words.span,
        "days": words.days,
        "later": words.later,
    }
    environment.filters |= {name: partial(getattr(words, name), zone=zone) for name in ("date", "weekday", "clock", "zone_name")}
    environment.globals |= {
        "STAGES": words.STAGES,
        "RUNGS": words.RUNGS,
        "AGES": words.AGES,
        "RULES": words.RULES,
        "STATES": words.STATES,
        "NOTES": words.NOTES,
        "alerts_table": alerts_table,
        "cases_table": cases_table,
        "flow_table": flow_table,
        "trend_table": trend_table,
        "link": link,
        "CODES": acting.CODES,
        "ACTS": acting.ACTS,
        "WHYS": words.WHYS,
        "days_of": partial(days_of, zone=zone),
    }
    return environment


def board_parts(environment: Environment, snapshot: Snapshot) -> Parts:
    """The board's parts as HTML, by name: each is swapped alone when it changes."""
    return {name: environment.get_template(f"parts/{name}.html").render(seen=snapshot, board=snapshot.board) for name in PARTS}


def days_of(timeline: Timeline, zone: ZoneInfo) -> list[tuple[str, list[Entry]]]:
    """A timeline by day, in the order in which things occurred."""
    entries = sorted(timeline.items, key=lambda entry: (entry.occurred_at, entry.recorded_at))
    return [(day, list(group)) for day, group in groupby(entries, key=lambda entry: words.weekday(entry.occurred_at, zone))]
