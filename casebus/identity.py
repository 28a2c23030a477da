"""Who is asking: a signed token (JWT, EdDSA). Actor, role, agency and region come from it alone."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_public_key
from pydantic import BaseModel, StringConstraints, ValidationError

from casebus.cause import Cause
from casebus.command import Slug
from casebus.envelope import Role
from casebus.errors import Forbidden, Unauthenticated

DEVELOPMENT_ISSUER = "continuum-development"
AUDIENCE = "continuum"
TOKENS_KNOWN = 10_000
"""Verified tokens that are kept; to verify one costs about 0.1 ms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """The bearer of a valid token. `reads_only` is the scope "read"."""

    actor: str
    role: Role
    agency: str
    region: str
    reads_only: bool

    def cause(self) -> Cause:
        return Cause(agency=self.agency, actor=self.actor, actor_role=self.role, actor_agency=self.agency, region=self.region)

    def may_change(self) -> Cause:
        """Raises Forbidden for a token that may only read."""
        if self.reads_only:
            raise Forbidden("This token may only read. Use one without the scope `read`.")
        return self.cause()


class _Claims(BaseModel):
    """What a token must say. Only what fits an envelope: a name or an e-mail address as `sub` is refused before it is in any event."""

    iss: str
    exp: float
    sub: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/+=-]{1,128}$")]
    role: Literal[Role.WORKER, Role.SUPERVISOR, Role.COORDINATOR, Role.INTEGRATOR, Role.OPERATOR]
    agency: Slug
    region: Slug | Literal[""] = ""
    scope: str = ""


class Verifier:
    """Checks tokens by the issuer's public key (PEM; ValueError for anything else). In production it refuses the development issuer's."""

    def __init__(self, public_key: str, *, production: bool) -> None:
        key = load_pem_public_key(public_key.encode())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("tokens are signed by Ed25519 keys")
        self._key, self._production = key, production
        self._known: dict[str, tuple[Principal, float]] = {}

    def principal(self, authorization: str | None) -> Principal:
        """Raises Unauthenticated, without saying more than what to do. A token that was verified is known until it expires."""
        known, until = self._known.get(authorization or "", (None, 0.0))
        if known is None or time.time() >= until:
            known, until = self._verified(authorization)
            if len(self._known) >= TOKENS_KNOWN:
                self._known.clear()
            self._known[authorization or ""] = known, until
        return known

    def _verified(self, authorization: str | None) -> tuple[Principal, float]:
        """The bearer, and until when."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send `Authorization: Bearer <token>`; in development `continuum token` makes one.")
        try:
            claims = jwt.decode(token, self._key, algorithms=["EdDSA"], audience=AUDIENCE, options={"require": ["sub", "exp", "iss"]})
            who = _Claims.model_validate(claims)
        except (jwt.InvalidTokenError, ValidationError) as error:
            raise Unauthenticated("The token is not valid or has expired: get a new one.") from error
        if self._production and who.iss == DEVELOPMENT_ISSUER:
            raise Unauthenticated("A development token has no standing in production.")
        reads_only = "read" in who.scope.split()
        return Principal(actor=who.sub, role=who.role, agency=who.agency, region=who.region, reads_only=reads_only), int(who.exp)


class DevelopmentIssuer:
    """Makes tokens on a developer's machine. Refuses to exist in production."""

    def __init__(self, private_key: bytes, *, production: bool) -> None:
        if production:
            raise RuntimeError("the development issuer does not run with CONTINUUM_ENV=production")
        self._key = private_key

    def token(self, *, actor: str, role: Role, agency: str, region: str, reads_only: bool = False, hours: float = 24) -> str:
        """`exp` is in real time, whatever the system time is."""
        claims = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": AUDIENCE,
            "sub": actor,
            "role": role,
            "agency": agency,
            "region": region,
            "exp": datetime.now(UTC) + timedelta(hours=hours),
        }
        return jwt.encode(claims | ({"scope": "read"} if reads_only else {}), self._key, algorithm="EdDSA")


def new_key_pair() -> tuple[bytes, bytes]:
    """A private and a public key, PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
