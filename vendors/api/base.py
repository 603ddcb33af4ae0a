"""The front desk: what every controller of the API derives from.

In this order: API version, who is calling, how often, with what scope (deny by default), Idempotency-Key,
strict JSON; then the action. Errors are problem documents. An action parses with `read`, calls one service
with `self.effect_id` and `self.answer(...)`, and ends with `self.finish(result)`. The claim of the key
happens when the action first asks for either, so that validation errors are never kept as answers.
"""

import logging
from collections.abc import Callable
from functools import cache, cached_property, partial
from typing import Any, ClassVar, Final, NoReturn
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from rest_framework.exceptions import NotAuthenticated, ParseError, PermissionDenied
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.viewsets import ViewSet

from ledger import audit, clock
from ledger.actors import Actor
from ledger.crashpoints import crashpoint, register
from ledger.ids import uuid7
from ledger.locks import ask_first, phased
from ledger.recording import Condition
from vendors.api import idempotency as desk
from vendors.api import preconditions, throttle
from vendors.api.auth import ApiKeyAuthentication, Principal, principal_of
from vendors.api.errors import PROBLEM_TYPE, problem_of
from vendors.api.fields import form_of
from vendors.api.idempotency import Answer, Idempotency, Render, Replay
from vendors.api.negotiation import JsonOnly
from vendors.api.paging import page
from vendors.api.preconditions import TagOf
from vendors.api.rendering import JSON_TYPE, JsonRenderer, to_bytes
from vendors.api.strict_json import LengthRequired, StrictJsonParser
from vendors.models import Merchant
from vendors.selectors import Along
from vendors.services import idempotency, keys
from vendors.services.idempotency import Claim, LeaseLost, Stored

VERSION_HEADER: Final = "Everycent-Version"
VERSIONS: Final = ("2026-11-01",)
WRITES: Final = frozenset({"POST", "PUT", "PATCH"})
READS: Final = frozenset({"GET", "HEAD"})
_log = logging.getLogger("everycent.api")
register("request.after_claim", "request.before_reply")


class NotAnswered(RuntimeError):
    """An action that changes things ended without an answer for its Idempotency-Key: a defect."""


class MerchantViewSet(ViewSet):
    """A controller for one merchant's objects.

    `scopes` maps an action to the scope it needs; an action that is not in it is refused. `idempotency` maps
    an action to REQUIRED, ACCEPTED or IGNORED; by default a POST must have a key, a PUT or PATCH may.
    `unkept` names the actions whose body is not kept with the key, not even until it is answered.
    `conditional` names the actions that read If-Match and hand `self.condition(…)` to their service.
    """

    scopes: ClassVar[dict[str, str]] = {}
    idempotency: ClassVar[dict[str, Idempotency]] = {}
    unkept: ClassVar[frozenset[str]] = frozenset()
    conditional: ClassVar[frozenset[str]] = frozenset()

    authentication_classes = [ApiKeyAuthentication]
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []
    parser_classes = [StrictJsonParser]
    renderer_classes = [JsonRenderer]
    content_negotiation_class = JsonOnly
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    api_version: str = VERSIONS[-1]
    along: Along | None = None
    _key: str | None = None
    _if_match: str = ""
    _claim: Claim | None = None
    _answer: Answer | None = None

    # --- what an action uses ------------------------------------------------------------------------------

    @cached_property
    def principal(self) -> Principal:
        """Who is calling."""
        return principal_of(self.request)

    @property
    def merchant(self) -> Merchant:
        """The merchant whose key it is; every query and service call is for this one."""
        return self.principal.merchant

    @property
    def actor(self) -> Actor:
        """The key, as the one who acts."""
        return self.principal.actor

    def read(self, serializer: type[Serializer]) -> dict[str, Any]:
        """Return the body's values as the serializer states them.

        :raises ValidationError: 400, naming every wrong field.
        """
        asked = self.request.data
        if isinstance(asked, dict):
            values: dict[str, Any] = form_of(serializer).run_validation(asked)
        else:  # refused, in the words of the library
            form = serializer(data=asked)
            form.is_valid(raise_exception=True)
            values = form.validated_data
        return values

    @cached_property
    def effect_id(self) -> UUID:
        """The id for what this request makes: the same each time its Idempotency-Key is run."""
        claim = self._claimed()
        return claim.effect_id if claim else uuid7()

    def answer(self, render: Render, status: int = 200) -> Answer:
        """Return what the service calls in its last phase: it renders the result and keeps it as the answer.

        `render` returns the body, or a `Reply` when it chooses the status itself (a decline).
        """
        self._answer = Answer(self._claimed(), render, status)
        return self._answer

    def finish(self, result: Any) -> HttpResponse:
        """Return the response that was kept; when the service found its work done before, keep it now.

        :raises LeaseLost: another worker took the request over.
        """
        if self._answer is None:
            raise NotAnswered(f"{type(self).__name__}.{self.action} finished without self.answer(...)")
        if self._answer.stored is None:
            self._answer(result)
        crashpoint("request.before_reply")
        return desk.response_of(self._kept())

    def do(self, service: Callable[..., Any], render: Render, status: int = 200, **told: Any) -> HttpResponse:
        """Let one service act for the merchant, now, and return its result as the kept answer.

        `told` is what the service asks for besides merchant, actor, instant and answer.
        :raises DomainError: what the service raises.
        """
        result = service(
            merchant_id=self.merchant.pk,
            actor=self.actor,
            at=clock.now(),
            answer=self.answer(render, status),
            **told,
        )
        return self.finish(result)

    def condition(self, tag_of: TagOf) -> Condition:
        """Return what the service asks of the row that it has locked: whether it is as If-Match says."""
        return preconditions.condition(self._if_match, tag_of)

    def reply(self, body: Any, status: int = 200, *, tag: str = "") -> HttpResponse:
        """Return a response that is not kept (reads), with the entity tag of what it shows, if given."""
        headers = {preconditions.ETAG: tag} if tag else None
        return HttpResponse(to_bytes(body), status=status, content_type=JSON_TYPE, headers=headers)

    def page(
        self,
        queryset: Any,
        *,
        prefix: str,
        render: Callable[[Any], dict[str, Any]],
        filters: tuple[str, ...] = (),
        key: str = "pk",
    ) -> HttpResponse:
        """Return one page of a list of the merchant's objects (see `paging.page`)."""
        return self.reply(
            page(self.request, queryset, prefix=prefix, render=render, filters=filters, key=key)
        )

    # --- the way in ---------------------------------------------------------------------------------------

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """Return the library's request, with this class's readers and writers: they have no state, so all
        requests share them."""
        self.action = self.action_map.get(str(request.method).lower(), "")
        parsers, authenticators, negotiator, _ = _tools(self._kind)
        context = {"view": self, "args": args, "kwargs": kwargs}
        return Request(request, parsers, authenticators, negotiator, context)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Return what every answer of this path says: which methods there are."""
        return {"Allow": _allowed(self._kind, tuple(self.action_map))}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check everything that does not depend on the action's own rules, in the order above.

        :raises APIException: with the status and code of the first check that fails.
        """
        self.format_kwarg = None
        _, _, negotiator, renderers = _tools(self._kind)
        request.accepted_renderer, request.accepted_media_type = negotiator.select_renderer(
            request, renderers
        )
        self.api_version = _version_of(request)
        self.along = self.reads_along()
        vars(request._request)["along"] = self.along
        if not isinstance(request.user, Principal):
            raise NotAuthenticated
        caller, raw = self.principal, request._request
        request.merchant, request.actor = caller.merchant, caller.actor
        raw.log_facts = {"merchant": caller.merchant.public_id, "api_key": caller.key.lookup}
        method = str(raw.method)
        if not hasattr(raw, "resumed_claim"):
            verdict = throttle.admit(str(caller.key.pk), "write" if method in WRITES else "read")
            self.headers.update(verdict.headers())
        if not self.action or method.lower() not in self.http_method_names:
            return  # the method is not allowed here; the handler says so
        self._check_scope()
        policy = self._policy()
        self._key = desk.read_key(request, policy)
        if self.action in self.conditional:
            self._if_match = preconditions.read(request)
        if method in WRITES:
            if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
                raise LengthRequired
            _ = request.data  # parsed now: a malformed body is refused before anything is claimed
        if method not in READS and not hasattr(raw, "resumed_claim"):
            # For what is done without a claim of its own, which would ask it, too.
            ask_first(partial(keys.require_standing, caller.key.pk))

    def reads_along(self) -> Along | None:
        """Return what this request will read of its merchant, when one statement with its key's can do it."""
        return None

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Refuse a caller who is known, and keep the refusal in the audit log.

        :raises PermissionDenied: always.
        """
        _note_refusal(self.merchant, self.actor, f"{request.method} {request.path}"[:200], message or "")
        raise PermissionDenied(message, code=code)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add what every answer carries."""
        headers = response.headers
        for name, value in self.headers.items():
            headers[name] = value
        headers[VERSION_HEADER] = self.api_version
        headers["Cache-Control"] = "no-store"
        return response

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Serve a request; an action that claimed a key and kept no answer for it is a defect."""
        try:
            response = super().dispatch(request, *args, **kwargs)
        finally:
            ask_first(None)
        is_kept = self._answer is not None and self._answer.stored is not None
        if self._claim is not None and response.status_code < 400 and not is_kept:
            error = NotAnswered(f"{type(self).__name__}.{self.action} kept no answer for its key")
            return self.finalize_response(self.request, self.handle_exception(error), *args, **kwargs)
        return response

    # --- the way out --------------------------------------------------------------------------------------

    def handle_exception(self, exc: Exception) -> Any:
        """Turn a failure into its problem document; a definite refusal after the claim is kept."""
        if isinstance(exc, Replay):
            return desk.response_of(exc.stored, is_replay=True)
        problem = problem_of(exc)
        if problem.status == 401:
            problem.headers["WWW-Authenticate"] = self.get_authenticate_header(self.request)
        raw: Any = self.request._request
        raw.log_facts = {**getattr(raw, "log_facts", {}), "code": problem.code}
        if self._claim is not None and not isinstance(exc, LeaseLost):
            if not problem.is_final:
                self._let_go(is_refused=problem.status < 500)
            elif not self._keep(problem.status, problem.headers, problem.body):
                return problem_of(LeaseLost("another worker took this request over")).response()
        return problem.response()

    # --- pieces -------------------------------------------------------------------------------------------

    @property
    def _kind(self) -> Any:  # Any: to the type checker a view's class cannot be hashed
        return type(self)

    def _policy(self) -> Idempotency:
        default = desk.DEFAULT_OF_METHOD.get(str(self.request.method), desk.IGNORED)
        return self.idempotency.get(str(self.action), default)

    def _check_scope(self) -> None:
        scope = self.scopes.get(str(self.action))
        if scope is None:
            self.permission_denied(self.request, "no key may do this", code="forbidden")
        if not self.principal.has_scope(scope):
            self.permission_denied(self.request, f"the key lacks the scope {scope}", code="scope_missing")

    def _claimed(self) -> Claim | None:
        """Claim the request's key, once; without a key there is nothing to claim.

        :raises Replay: it is answered. :raises KeyReused: it named another request.
        :raises InProgress: somebody works on it.
        """
        if self._claim is None and self._key is not None:
            resumed: Claim | None = getattr(self.request._request, "resumed_claim", None)
            self._claim = resumed or self._new_claim(self._key)
        return self._claim

    def _new_claim(self, key: str) -> Claim:
        asked = desk.asked(
            self.request,
            key,
            merchant_id=self.merchant.pk,
            api_key=self.principal.key,
            api_version=self.api_version,
            if_match=self._if_match,
            is_kept=self.action not in self.unkept and not self._if_match,  # which its sender alone can say
        )
        found = idempotency.claim(asked, clock.now())
        if isinstance(found, Stored):
            raise Replay(found)
        ask_first(None)
        crashpoint("request.after_claim")
        return found

    def _kept(self) -> Stored:
        if self._answer is None or self._answer.stored is None:
            raise NotAnswered(f"{type(self).__name__}.{self.action} has no answer")
        return self._answer.stored

    def _keep(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> bool:
        assert self._claim is not None
        stored = Stored(status, {"Content-Type": PROBLEM_TYPE, **headers}, to_bytes(body))
        try:
            idempotency.finish(self._claim, stored, clock.now())
        except LeaseLost:
            return False
        return True

    def _let_go(self, *, is_refused: bool) -> None:
        """End the lease. A refusal that reaches its sender is left to him; else the completer goes on."""
        assert self._claim is not None
        is_told = is_refused and not hasattr(self.request._request, "resumed_claim")
        try:
            (idempotency.give_back if is_told else idempotency.let_go)(self._claim, clock.now())
        except (OperationalError, InterfaceError) as error:
            # The lease ends by itself in a minute; the answer to the caller matters more now.
            _log.warning("a lease could not be ended early", extra={"error": str(error)})


@cache
def _tools(view: Any) -> tuple[list[Any], list[Any], JsonOnly, list[Any]]:
    """Return the parsers, authenticators, negotiator and renderers of a class."""
    return (
        [parser() for parser in view.parser_classes],
        [authenticator() for authenticator in view.authentication_classes],
        view.content_negotiation_class(),
        [renderer() for renderer in view.renderer_classes],
    )


@cache
def _allowed(view: Any, methods: tuple[str, ...]) -> str:
    """Return the methods of a path, in the library's order; a path with GET has HEAD."""
    return ", ".join(name.upper() for name in view.http_method_names if name in methods)


def _version_of(request: Request) -> str:
    asked = request.META.get("HTTP_EVERYCENT_VERSION")
    if asked is None:
        return VERSIONS[-1]
    if asked not in VERSIONS:
        raise ParseError(f"the versions there are: {', '.join(VERSIONS)}", code="version_unknown")
    return str(asked)


@phased
def _note_refusal(merchant: Merchant, actor: Actor, what: str, why: str) -> None:
    audit.record(
        actor=actor,
        action="access.refused",
        subject=merchant,
        reason=why,
        outcome="refused",
        after={"request": what},
        at=clock.now(),
    )
