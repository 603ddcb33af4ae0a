"""Recorded: what every row with a machine is made of, apart from `ledger.recording`, so that the models of
this floor may be such rows too (`recording` itself needs the models)."""

from typing import Any, ClassVar, TypeVar

from django.db import models
from django_fsm import FSMModelMixin

from ledger import ids

M = TypeVar("M", bound=models.Model)


class NotRecorded(RuntimeError):
    """A step broke the rules of `record`: a defect, never a refusal to a caller."""


class RecordedRows(models.QuerySet[M]):
    """Rows that are read, and written by `record` only: what no event tells would not be in the history."""

    def update(self, **kwargs: Any) -> int:
        raise NotRecorded(f"{self.model.__name__} is changed by ledger.recording.record only")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise NotRecorded(f"{self.model.__name__} is changed by ledger.recording.record only")

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[M]:
        raise NotRecorded(f"{self.model.__name__} is made by ledger.recording.record only")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise NotRecorded(f"{self.model.__name__} is never deleted")


class Recorded(FSMModelMixin, models.Model):
    """A row with a machine, whose every change is an event; its version is its last event's sequence.

    `UNTOLD` names columns of which an event tells only a fingerprint (see `ledger.changes`). What `LIVES_ON`
    keeps its events until it is at an end, however long nothing happens to it.
    """

    SUBJECT: ClassVar[str]
    PREFIX: ClassVar[str]
    UNTOLD: ClassVar[frozenset[str]] = frozenset()
    LIVES_ON: ClassVar[bool] = False

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    event_hash = models.BinaryField(default=b"", editable=False)

    objects = models.Manager.from_queryset(RecordedRows)()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise NotRecorded(f"{type(self).__name__} is saved by ledger.recording.record only")

    @property
    def public_id(self) -> str:
        """The identifier that people and programs outside see."""
        return ids.show(self.PREFIX, self.id)
