"""`make demo`: the whole platform on this machine, with a real history that goes on. Ctrl-C ends it; the next start continues."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from continuum import rounds
from continuum.check import check, first_alert
from continuum.flow import Flow, Outcome
from continuum.local import jars, kafka
from continuum.local.process import LocalFailure, ended_by_signals
from continuum.replay import OVER, SystemClock, replay
from continuum.sample import MEMORY, REGION, UNTIL, Sample, bring_in, installed_sample, remember, sending
from continuum.ssda903 import plan
from continuum.stack import Manner, Running, running

DAYS_CHECKED = 60
WATERMARK_SECONDS = 0.25


@dataclass
class Timing:
    """Seconds since everything that must be downloaded was there."""

    begun: float = field(default_factory=time.monotonic)
    page: float = 0.0
    first_alert: float = 0.0

    def now(self) -> float:
        return time.monotonic() - self.begun


@dataclass
class Demo:
    """One run of it. `checking`: sixty days, without a person, and then an end."""

    home: Path
    console: Console
    checking: bool = False

    def run(self) -> dict[str, object] | None:
        """Until Ctrl-C; with `checking`, until it has been checked: then what was found. Raises LocalFailure."""
        sample = installed_sample()
        with self.console.status("Fetching Kafka (once, 44 MB)"):
            jars.fetch(kafka.LOCK)
        timing, stop = Timing(), threading.Event()
        known = (self.home / MEMORY).exists()
        with (
            ended_by_signals(),
            self._started(page=known) as run,
            self._kept(run, stop),
            sending(self.home, run.urls) as sender,
            SystemClock(run.databases.values()) as clock,
            shown(self.console) as progress,
        ):
            flow = bring_in(run, sample, sender, progress)
            if not known:
                run.open_page()  # not before: half a history would show wrong numbers
            timing.page = timing.now()
            self.console.print(f"\n[bold]continuum is running:[/] {run.page}\n", highlight=False)
            if self.checking:
                return self._check(run, sample, flow, clock, timing)
            self._go_on(run, flow, clock, stop)
            return None

    @contextmanager
    def _started(self, *, page: bool) -> Iterator[Running]:
        status = self.console.status("Starting")
        status.start()
        begin = plan.start_of(UNTIL)
        manner = Manner(region=REGION, page=page, begin=begin, watermark_seconds=WATERMARK_SECONDS, step=status.update)
        try:
            with running(self.home, manner) as run:
                status.stop()
                yield run
                self.console.print("Ending: what is not sent waits in the outbox.")
        finally:
            status.stop()

    @contextmanager
    def _kept(self, run: Running, stop: threading.Event) -> Iterator[None]:
        """A service that dies is started again."""
        broken: list[LocalFailure] = []
        keeper = threading.Thread(target=self._keep, args=(run, stop, broken), daemon=True, name="keeper")
        keeper.start()
        try:
            yield
        except KeyboardInterrupt:
            if broken:
                raise broken[0] from None
            raise
        finally:
            stop.set()
            keeper.join(2)

    def _keep(self, run: Running, stop: threading.Event, broken: list[LocalFailure]) -> None:
        try:
            while not stop.is_set():
                if (name := run.mend(0.5)) is not None:
                    self.console.print(f"[yellow]{name} ended and was started again.[/] Its log: {run.home / 'logs' / name}.log")
        except LocalFailure as failure:
            broken.append(failure)
            os.kill(os.getpid(), signal.SIGINT)

    def _go_on(self, run: Running, flow: Flow, clock: SystemClock, stop: threading.Event) -> None:
        self.console.print("The sample's history goes on at about a day a second. Ctrl-C ends it; `make demo` goes on from there.")
        self._replay(run, flow, clock, None)
        clock.note(OVER)
        self.console.print("The history is over: time goes on naturally.")
        stop.wait()

    def _replay(self, run: Running, flow: Flow, clock: SystemClock, until: datetime | None) -> datetime:
        remembered = clock.now().date()

        def tell(moment: datetime, outcome: Outcome) -> None:
            nonlocal remembered
            for trouble in outcome.troubles:
                self.console.print(f"[yellow]left alone:[/] {trouble}", highlight=False)
            if moment.date() != remembered:
                remembered = moment.date()
                remember(run.home, flow)

        return replay(flow, clock, until=until, tell=tell)

    def _check(self, run: Running, sample: Sample, flow: Flow, clock: SystemClock, timing: Timing) -> dict[str, object]:
        first_alert(run)
        timing.first_alert = timing.now() - timing.page
        self._replay(run, flow, clock, plan.start_of(UNTIL) + timedelta(days=DAYS_CHECKED))
        seconds = {"setup_s": timing.page, "page_s": timing.page, "first_alert_s": timing.first_alert}
        return {name: round(value, 1) for name, value in seconds.items()} | check(run, sample, flow)


@contextmanager
def shown(console: Console) -> Iterator[rounds.Progress]:
    """A bar that is drawn from the first round on."""
    bar = Progress(TextColumn("Importing the history"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)
    task = bar.add_task("import", total=None)

    def progress(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)
        if done >= total:
            bar.stop()

    try:
        yield progress
    finally:
        bar.stop()
