"""A message in words, of which only its lines' four parts are not written in words/*.yaml (S74)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, TypeAdapter

from services.monitoring.domain.message import Age, Line, Message, Unit
from services.monitoring.domain.policy import Language

WORDS = Path(__file__).parent / "words"


@dataclass(frozen=True, slots=True)
class Text:
    """As a person reads it."""

    subject: str
    body: str


def _one_or_many(forms: Mapping[str, str]) -> Mapping[str, str]:
    if "other" not in forms or not set(forms) <= {"one", "other"}:
        raise ValueError("write `other`, and `one` where the language has it")
    return forms


Counted = Annotated[Mapping[str, str], AfterValidator(_one_or_many)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """What is said in one language. `line` has {reference}, {rule}, {age} and {agencies}; what is counted has {count}."""

    subject: Counted
    critical: str
    line: str
    more: Counted
    ages: Mapping[Unit, Counted]
    between: str
    close: str
    rules: Mapping[str, str]

    def text(self, message: Message) -> Text:
        subject = _count(self.subject, message.count)
        more = (_count(self.more, message.more),) if message.more else ()
        lines = (*map(self._line, message.lines), *more, "", self.close)
        return Text(f"{self.critical} {subject}" if message.critical else subject, "\n".join(lines) + "\n")

    def _line(self, one: Line) -> str:
        agencies = self.between.join(one.agencies)
        return self.line.format(reference=one.reference, rule=self.rule(one.rule), age=self._age(one.age), agencies=agencies)

    def rule(self, name: str) -> str:
        """A rule that has no words yet is told by its name."""
        return self.rules.get(name, name)

    def _age(self, age: Age) -> str:
        return _count(self.ages[age.unit], age.count)


def _count(forms: Mapping[str, str], count: int) -> str:
    return forms["one" if count == 1 and "one" in forms else "other"].format(count=count)


FORM = TypeAdapter(Wording)


@cache
def wording(language: Language) -> Wording:
    return FORM.validate_python(yaml.safe_load((WORDS / f"{language}.yaml").read_text(encoding="utf-8")))


def in_words(message: Message, language: Language) -> Text:
    """Subject and body of a message."""
    return wording(language).text(message)
