"""Sign-in through an OpenID Connect provider: authorisation code with PKCE, state and nonce, by Authlib.

The provider's groups become access groups, and the settings say which of them give roles and clearance.
`ASSISTANT_OIDC_ISSUER`, `_CLIENT_ID` and `_CLIENT_SECRET` switch it on; the provider's redirect address is
`<public url>/sign-in/oidc/callback`.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from typing import Any, cast

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc.errors import JoseError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from assistant.web.sign_in import address, local_path, start_session
from core.audit import Audit
from core.errors import AssistantError, BadInput, NotAllowed, Unavailable
from core.people import Account, People
from core.records import CLASSIFICATIONS, ROLES, Classification, Principal, Role, clearance_rank
from core.settings import Settings

log = logging.getLogger(__name__)

COOKIE = "assistant_oidc"
PATH = "/sign-in/oidc"
MINUTES = 10
"""A person has this long at the provider."""


class ProviderUnavailable(Unavailable):
    """The provider's discovery, keys or token endpoint does not answer."""


class Provider:
    """One provider, found by discovery at the first sign-in.

    Args:
        key: signs the cookie that carries state, nonce and PKCE verifier across the visit to the provider.
    """

    def __init__(self, settings: Settings, people: People, audit: Audit, key: bytes) -> None:
        self._settings = settings
        self._people = people
        self._audit = audit
        self._signer = URLSafeTimedSerializer(key, salt="oidc")
        self._client = OAuth().register(
            "provider",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": settings.oidc_scope, "code_challenge_method": "S256", "timeout": 10},
        )

    async def begin(self, request: Request, next_path: str) -> Response:
        """Send the browser to the provider."""
        request.scope["session"] = {}
        await self._check_issuer()
        response = cast(Response, await self._client.authorize_redirect(request, self._callback(request)))
        kept = self._signer.dumps({"oauth": request.scope["session"], "next": next_path})
        response.set_cookie(
            COOKIE,
            kept if isinstance(kept, str) else kept.decode(),
            max_age=MINUTES * 60,
            path=PATH,
            secure=self._settings.secure_cookies,
            httponly=True,
            samesite="lax",
        )
        return response

    async def finish(self, request: Request) -> tuple[Mapping[str, Any], str]:
        """The verified claims of the id token, and where the person was going.

        Raises:
            OAuthError, JoseError, BadData: the answer is not one to the question that this browser asked.
        """
        kept = self._signer.loads(request.cookies.get(COOKIE, ""), max_age=MINUTES * 60)
        request.scope["session"] = kept["oauth"]
        await self._check_issuer()
        wanted = {
            "iss": {"essential": True, "value": self._settings.oidc_issuer},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
            "exp": {"essential": True},
            "sub": {"essential": True},
        }
        token = await self._client.authorize_access_token(request, claims_options=wanted)
        if "userinfo" not in token:
            raise BadData("the provider sent no id token")
        return cast("Mapping[str, Any]", token["userinfo"]), str(kept["next"])

    async def _check_issuer(self) -> None:
        metadata = await self._client.load_server_metadata()
        if metadata.get("issuer") != self._settings.oidc_issuer:
            raise ProviderUnavailable(
                "The provider's discovery document names another issuer than ASSISTANT_OIDC_ISSUER: write it exactly so."
            )

    def _callback(self, request: Request) -> str:
        base = self._settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        return f"{base}{PATH}/callback"

    def person(self, claims: Mapping[str, Any]) -> Principal:
        """The person of verified claims: made at the first sign-in, brought up to date at every one.

        Raises:
            NotAllowed: the account is deactivated, or no group gives a role.
            BadInput: a claim that we need is missing.
        """
        issuer, subject = self._settings.oidc_issuer, str(claims["sub"])[:300]
        known = self._people.by_identity(issuer, subject)
        account = known or self._same_address(claims)
        if account is not None and not account.active:
            raise NotAllowed(f"This account is deactivated. Write to {self._settings.support_contact}.")
        wanted = self._wanted(claims, account)
        self._people.add_groups(dict.fromkeys(wanted.groups, "from the sign-in provider"), actor="oidc")
        if account is None:
            self._people.add(wanted, actor="oidc", issuer=issuer, subject=subject)
        elif account.person != wanted:
            self._people.update(wanted, actor="oidc")
        if account is not None and known is None:
            self._people.link(wanted.person_id, issuer, subject, actor="oidc")
        return wanted

    def _same_address(self, claims: Mapping[str, Any]) -> Account | None:
        """A local account with the same address, where the provider vouches for the address."""
        account = self._people.account(str(claims.get("email", "")))
        if account is None or account.issuer or claims.get("email_verified") is not True:
            return None
        return account

    def _wanted(self, claims: Mapping[str, Any], account: Account | None) -> Principal:
        groups = claimed_groups(claims, self._settings.oidc_groups_claim)
        email = str(claims.get("email", ""))
        if "@" not in email:
            raise BadInput("The sign-in provider sends no e-mail address: add 'email' to ASSISTANT_OIDC_SCOPE.")
        return Principal(
            person_id=account.person.person_id if account else self._new_id(claims, email),
            name=str(claims.get("name") or claims.get("preferred_username") or email)[:200],
            email=email[:320],
            groups=frozenset(groups),
            clearance=clearance_of(groups, self._settings.oidc_clearance),
            roles=self._roles(groups),
        )

    def _roles(self, groups: frozenset[str]) -> frozenset[Role]:
        mapped = self._settings.oidc_roles
        roles = roles_of(groups, mapped)
        if not roles:
            raise NotAllowed(
                f"None of your groups may use the assistant. Write to {self._settings.support_contact} to be let in."
            )
        return roles

    def _new_id(self, claims: Mapping[str, Any], email: str) -> str:
        wish = str(claims.get("preferred_username") or email).partition("@")[0].lower()
        plain = re.sub(r"[^a-z0-9._-]+", "-", wish).strip("._-")[:60] or "person"
        taken = self._people.account(plain) is not None or len(plain) < 2
        return f"{plain}-{secrets.token_hex(3)}" if taken else plain


def oidc_routes(settings: Settings, provider: Provider, audit: Audit) -> APIRouter:
    """GET /sign-in/oidc and its callback."""
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    async def begin(request: Request, next: str = "/") -> Response:
        try:
            return await provider.begin(request, local_path(next))
        except (httpx2.HTTPError, ProviderUnavailable, ValueError) as error:
            log.warning("the sign-in provider cannot be used: %s", _cause(error))
            return RedirectResponse("/sign-in?message=provider_down", 303)

    @router.get(f"{PATH}/callback")
    async def callback(request: Request) -> Response:
        try:
            claims, next_path = await provider.finish(request)
        except (AuthlibBaseError, JoseError, BadData) as error:
            log.warning("a sign-in through the provider was refused: %s", type(error).__name__)
            await run_in_threadpool(
                audit.append, "unknown", "sign_in.refused", "unknown", by="oidc", address=address(request)
            )
            return _ended(RedirectResponse("/sign-in?message=provider", 303))
        except (httpx2.HTTPError, ProviderUnavailable) as error:
            log.warning("the sign-in provider does not answer: %s", _cause(error))
            return _ended(RedirectResponse("/sign-in?message=provider_down", 303))
        return _ended(await run_in_threadpool(admit, request, claims, next_path))

    def admit(request: Request, claims: Mapping[str, Any], next_path: str) -> Response:
        person = provider.person(claims)
        audit.append(person.person_id, "sign_in.ok", person.person_id, by="oidc", address=address(request))
        return start_session(request, settings, person.person_id, next_path)

    return router


def claimed_groups(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The groups in a claim; a dotted path reaches into nested claims, as `realm_access.roles`."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part, ()) if isinstance(found, Mapping) else ()
    names = [found] if isinstance(found, str) else found if isinstance(found, list | tuple) else ()
    return frozenset(str(name).strip()[:80] for name in names if str(name).strip())


def roles_of(groups: frozenset[str], mapped: Mapping[str, str]) -> frozenset[Role]:
    """Roles by the operator's map; without a map everybody is an employee, with one nobody is without being named."""
    if not mapped:
        return frozenset({"employee"})
    return frozenset(role for role in ROLES if any(mapped.get(group) == role for group in groups))


def clearance_of(groups: frozenset[str], mapped: Mapping[str, str]) -> Classification:
    """The highest clearance by the operator's map: internal without a map, public where no group is named in it."""
    if not mapped:
        return "internal"
    levels = [level for level in CLASSIFICATIONS if any(mapped.get(group) == level for group in groups)]
    return max(levels, key=clearance_rank, default="public")


def _ended(response: Response) -> Response:
    response.delete_cookie(COOKIE, path=PATH)
    return response


def _cause(error: Exception) -> str:
    return str(error) if isinstance(error, AssistantError) else type(error).__name__
