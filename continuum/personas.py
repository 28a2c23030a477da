"""People of the development issuer: one of each kind that the examples need. None exists."""

from dataclasses import dataclass

from casebus.envelope import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Persona:
    """Who a development token speaks for."""

    actor: str
    role: Role
    agency: str
    region: str = "north"


PERSONAS = {
    "nurse": Persona(actor="nurse-1", role=Role.WORKER, agency="city-hospital"),
    "teacher": Persona(actor="teacher-1", role=Role.WORKER, agency="river-school"),
    "shelter": Persona(actor="shelter-1", role=Role.WORKER, agency="safe-house"),
    "supervisor": Persona(actor="supervisor-1", role=Role.SUPERVISOR, agency="city-hospital"),
    "coordinator": Persona(actor="coordinator-1", role=Role.COORDINATOR, agency="regional-office"),
    "integrator": Persona(actor="integrator-1", role=Role.INTEGRATOR, agency="city-hospital"),
}
