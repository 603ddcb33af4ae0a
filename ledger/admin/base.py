"""The admin's base: every model is visible and nothing is edited; what staff do is a reasoned action.

`ViewOnlyAdmin` shows a list and a page of facts; adding, changing and deleting are refused for everyone,
also by POST. A `ReasonedAction` is a button on the page: permission, a form with a reason, one service call,
which writes the audit record in its own phase. Lists do not count their rows, and neither lists nor pages
query in a loop (tests/admin holds a budget for each).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from ledger import audit, clock
from ledger.actors import Actor, current_request, set_request, staff_actor
from ledger.admin import formats
from ledger.admin.explain_link import explain_link
from ledger.errors import DomainError
from ledger.locks import phase
from ledger.recorded import Recorded

REASON_MIN, REASON_MAX = 3, 1_000
ROWS_ON_A_PAGE: Final = 25
ROWS_IN_A_PANEL: Final = 50

Column = Callable[[Any, Any], Any]
Perform = Callable[..., Any]


class ReasonForm(forms.Form):
    """Why it is done; an action that must be told more has a form with more fields."""

    reason = forms.CharField(
        min_length=REASON_MIN,
        max_length=REASON_MAX,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 4, "autofocus": True, "class": "house-input"}),
    )


@dataclass(frozen=True, slots=True)
class ReasonedAction:
    """What staff may do to a row: `perform(row, actor, reason, at, **fields)` calls one service.

    `fields` are those of `form` besides the reason; `initial` says what they hold when the page is opened. A
    hidden one may name what the row held then, so that the service can tell who decided on an older page.

    `permission` is a full name such as `fraud.decide_review`; `is_offered` says whether it makes sense now
    (the service decides; this only hides the button); `done` is the sentence shown afterwards.
    """

    name: str
    label: str
    permission: str
    perform: Perform
    done: str
    is_offered: Callable[[Any], bool] = lambda row: True
    explains: str = ""
    is_dangerous: bool = False
    form: type[ReasonForm] = ReasonForm
    initial: Callable[[Any], dict[str, Any]] = lambda row: {}


def by(service: Callable[..., Any], key: str, column: str = "pk", *, of_merchant: bool = True) -> Perform:
    """Return what a reasoned action performs when it hands the row to one service, under the name `key`.

    The service is told the row's `column`, its merchant unless it asks for none, actor, reason and instant.
    """

    def perform(row: Any, actor: Actor, reason: str, at: datetime, **told: Any) -> Any:
        whose = {"merchant_id": row.merchant_id} if of_merchant else {}
        return service(**whose, **{key: getattr(row, column)}, reason=reason, actor=actor, at=at, **told)

    return perform


@dataclass(frozen=True, slots=True)
class Panel:
    """A table below the facts: headings and rows of cells; `note` says what is not shown."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "none"
    note: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Each heading, and whether its column holds figures (which stand to the right)."""
        return [
            (heading, any("house-money" in str(row[index]) for row in self.rows))
            for index, heading in enumerate(self.headings)
        ]

    @property
    def cells(self) -> list[list[tuple[Any, str, bool]]]:
        """Each row's cells with the heading, and whether they stand in a column of figures."""
        columns = self.columns
        return [[(cell, *column) for cell, column in zip(row, columns, strict=True)] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Facts:
    """A group of facts on a page: label and value each."""

    title: str
    items: Sequence[tuple[str, Any]] = field(default_factory=tuple)


class PreparedList(ChangeList):
    """A page of a list whose rows its admin has prepared together, before any column asks for one."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.model_admin.prepare(self.result_list)


class ViewOnlyAdmin(ModelAdmin):
    """A model that is looked at. Subclasses name columns, hidden fields, panels and reasoned actions."""

    detail_template = "admin/house/detail.html"
    action_template = "admin/house/reasoned_action.html"
    hidden_fields: Sequence[str] = ()
    masked_fields: Sequence[str] = ()
    reasoned_actions: Sequence[ReasonedAction] = ()

    actions = None
    list_per_page = ROWS_ON_A_PAGE
    show_full_result_count = False
    paginator = InfinitePaginator
    list_disable_select_all = True
    show_add_link = False
    list_filter_sheet = True
    search_help_text = "an identifier or a reference, whole"

    # --- nobody changes anything ------------------------------------------------------------------------
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- the list -----------------------------------------------------------------------------------------
    def get_ordering(self, request: HttpRequest) -> Sequence[str]:
        return self.ordering or ("-pk",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PreparedList

    def prepare(self, rows: list[Any]) -> None:
        """Note on the rows of one page what their columns need besides; nothing by default."""

    # --- the page -----------------------------------------------------------------------------------------
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a row: its facts, its panels, and what may be done to it."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        row = self._row(request, object_id)
        context = {
            **self._context(request, row),
            "facts": self.facts(row),
            "panels": list(self.panels(row)),
            "history": reverse("admin:history", args=[row.SUBJECT, row.pk])
            if isinstance(row, Recorded)
            else "",
            "acts": [
                (act, reverse(self._act_name(act), args=[object_id]))
                for act in self.reasoned_actions
                if request.user.has_perm(act.permission) and act.is_offered(row)
            ],
            **self.extras(request, row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.detail_template, context)

    def facts(self, row: Any) -> list[Facts]:
        """Return the groups of facts; by default every column that is not hidden, in the model's order."""
        shown = [f for f in row._meta.concrete_fields if f.name not in self.hidden_fields]
        items = [(f.verbose_name.removesuffix(" minor"), self._fact(row, f)) for f in shown]
        if hasattr(row, "public_id"):
            items.insert(0, ("public id", formats.code(row.public_id)))
        return [Facts("", items)]

    def panels(self, row: Any) -> Iterable[Panel]:
        """Return the tables below the facts; none by default."""
        return ()

    def extras(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what a template of its own needs besides."""
        return {}

    # --- what staff do ------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        acts = [
            path(
                f"<path:object_id>/act/{act.name}/",
                self.admin_site.admin_view(partial(self.act_view, act=act)),
                name=self._act_name(act).partition(":")[2],
            )
            for act in self.reasoned_actions
        ]
        return [*acts, *super().get_urls()]

    def act_view(self, request: HttpRequest, object_id: str, act: ReasonedAction) -> HttpResponse:
        """Ask for the reason, then do it."""
        if not request.user.has_perm(act.permission):
            raise PermissionDenied
        row = self._row(request, object_id)
        page = formats.page_of(row)
        if request.method == "POST":
            form = act.form(request.POST, request.FILES)
            if form.is_valid() and self._perform(request, row, act, form):
                messages.success(request, act.done)
                return HttpResponseRedirect(page)
        else:
            form = act.form(initial=act.initial(row))
        context = {**self._context(request, row), "act": act, "form": form, "page": page}
        return TemplateResponse(
            request, self.action_template, context, status=200 if not form.errors else 422
        )

    def _perform(self, request: HttpRequest, row: Any, act: ReasonedAction, form: ReasonForm) -> bool:
        actor, at = staff_of(request), clock.now()
        told = {name: value for name, value in form.cleaned_data.items() if name != "reason"}
        reason = form.cleaned_data["reason"]
        try:
            act.perform(row, actor, reason, at, **told)
        except DomainError as error:
            form.add_error(None, f"{error.message}. {error.advice_given}".strip())
            with phase():
                audit.record(
                    actor=actor, action=f"{self.opts.model_name}.{act.name}", subject=row, at=at,
                    reason=reason, outcome="refused", before={}, after={"refused": error.code},
                )  # fmt: skip
            return False
        return True

    # --- inside -------------------------------------------------------------------------------------------
    def _row(self, request: HttpRequest, object_id: str) -> Any:
        related = [f.name for f in self.opts.concrete_fields if isinstance(f, models.ForeignKey)]
        self_select = self.get_queryset(request)
        row = (self_select.select_related(*related) if related else self_select).filter(
            pk=self._key(object_id)
        )
        found = row.first()
        if found is None:
            raise Http404(f"there is no such {self.opts.verbose_name}")
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found

    def _key(self, object_id: str) -> Any:
        try:
            return self.opts.pk.to_python(unquote(object_id))
        except forms.ValidationError as error:
            raise Http404(f"there is no such {self.opts.verbose_name}") from error

    def _fact(self, row: Any, column: "models.Field[Any, Any]") -> SafeString:
        if column.name in self.masked_fields:
            return formats.code("•••") if getattr(row, column.attname) else formats.NOTHING
        return formats.field_value(row, column)

    def _context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": str(row),
            "media": self.media,
            "explained_at": explain_link(request, row),
        }

    def _act_name(self, act: ReasonedAction) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_act_{act.name}"


def staff_of(request: HttpRequest) -> Actor:
    """Return who asks, and let the request's records say in which role."""
    user: Any = request.user
    roles = ",".join(sorted(group.name for group in user.groups.all()))
    set_request(replace(current_request(), role=roles[:60] or ("superuser" if user.is_superuser else "")))
    return staff_actor(user.pk, user.get_username())


# --- columns of lists --------------------------------------------------------------------------------
def money_column(name: str = "amount_minor", title: str = "Amount", currency: str = "currency") -> Column:
    """Return a column that shows an amount in minor units as money."""

    @admin.display(description=title, ordering=name)
    def column(page: Any, row: Any) -> SafeString:
        return formats.money(getattr(row, name), getattr(row, currency))

    return _named(column, name)


def badge_column(name: str = "state", title: str = "") -> Column:
    """Return a column that shows a state as a badge."""

    @admin.display(description=title or name.replace("_", " "), ordering=name)
    def column(page: Any, row: Any) -> SafeString:
        return formats.badge(getattr(row, name))

    return _named(column, name)


def moment_column(name: str, title: str = "") -> Column:
    """Return a column that shows an instant to the second."""

    @admin.display(description=title or name.removesuffix("_at").replace("_", " "), ordering=name)
    def column(page: Any, row: Any) -> SafeString:
        return formats.moment(getattr(row, name))

    return _named(column, name)


def link_column(name: str, title: str = "") -> Column:
    """Return a column that links to a related row (which the list selects with its own)."""

    @admin.display(description=title or name.replace("_", " "))
    def column(page: Any, row: Any) -> SafeString:
        return formats.link(getattr(row, name))

    return _named(column, name)


def code_column(name: str, title: str = "") -> Column:
    """Return a column that shows an identifier."""

    @admin.display(description=title or name.replace("_", " "))
    def column(page: Any, row: Any) -> SafeString:
        return formats.code(getattr(row, name))

    return _named(column, name)


def _named(column: Column, name: str) -> Column:
    column.__name__ = f"{name}_shown"
    return column
