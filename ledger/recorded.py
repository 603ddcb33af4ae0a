"""Recorded: what every row with a machine is made of, apart from `ledger.recording`, so that the models of
this floor may be such rows too (`recording` itself needs the models)."""

from typing import Any, ClassVar

from django.db import models
from django_fsm import FSMModelMixin

from ledger import ids


class NotRecorded(RuntimeError):
    """A step broke the rules of `record`: a defect, never a refusal to a caller."""


class Recorded(FSMModelMixin, models.Model):
    """A row with a machine, whose every change is an event; its version is its last event's sequence.

    `UNTOLD` names columns of which an event tells only a fingerprint (see `ledger.changes`).
    """

    SUBJECT: ClassVar[str]
    PREFIX: ClassVar[str]
    UNTOLD: ClassVar[frozenset[str]] = frozenset()

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    event_hash = models.BinaryField(default=b"", editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        fields = kwargs.get("update_fields")
        is_ours = self.__dict__.get("_recording", False)
        if not is_ours and (self._state.adding or fields is None or "state" in fields):
            raise NotRecorded(f"{type(self).__name__} is saved by ledger.recording.record only")
        super().save(*args, **kwargs)

    @property
    def public_id(self) -> str:
        """The identifier that people and programs outside see."""
        return ids.show(self.PREFIX, self.id)
