"""Who strikes: seeded, and always able to prove that it did."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from continuum.local.process import Child
from continuum.stack import SERVICES
from tests.faults.ground import Platform


@dataclass
class Nemesis:
    """Strikes at the processes of a platform. `struck` counts what is proven."""

    platform: Platform
    dice: random.Random
    struck: int = 0

    def kill(self, name: str) -> None:
        """kill -9 of a service, and its start again."""
        child = self.platform.run.child(name)
        self.platform.end(child)
        assert child.code == -signal.SIGKILL, f"{name} ended by itself, with code {child.code}"
        self.struck += 1
        self.platform.start(name)

    def kill_any(self) -> None:
        self.kill(self.dice.choice(SERVICES))

    @contextmanager
    def frozen(self, child: Child) -> Iterator[None]:
        """The process stands still during the block."""
        os.kill(child.pid, signal.SIGSTOP)
        try:
            yield
            assert child.code is None, f"{child.program.name} did not stand still: it ended"
            self.struck += 1
        finally:
            if child.code is None:
                os.kill(child.pid, signal.SIGCONT)

    def pause(self, most: float) -> None:
        """A while, of random length: so that a strike meets anything."""
        time.sleep(self.dice.uniform(0, most))
