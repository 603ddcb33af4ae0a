"""The vault's tables: sealed content, and the key pairs under which browsers encrypt for us.

Only `payments.vault` writes and opens them. A row that was erased keeps that it was there, and nothing else.
"""

from typing import Any

from django.db import models
from django.db.models import Q

from ledger.ids import show, uuid7


def whole_or_erased(name: str) -> models.CheckConstraint:
    sealed = ("wrapped_key", "nonce", "ciphertext")
    whole: Any = Q(erased_at__isnull=True, **{f"{column}__isnull": False for column in sealed})
    erased: Any = Q(erased_at__isnull=False, **{f"{column}__isnull": True for column in sealed})
    return models.CheckConstraint(condition=whole | erased, name=name)


class Sealed(models.Model):
    """Content sealed under a data key of its own, which the KEK `key_id` wraps."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key_id = models.CharField(max_length=40)
    wrapped_key = models.BinaryField(null=True)
    nonce = models.BinaryField(null=True)
    ciphertext = models.BinaryField(null=True)
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    PREFIX = ""

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)

    @property
    def about(self) -> bytes:
        """What the content is bound to: it opens in no other row."""
        raise NotImplementedError


class VaultRecord(Sealed):
    """One instrument. `fingerprint` is the same for the same instrument, whoever's it is."""

    PREFIX = "vlt"

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    token = models.CharField(max_length=40)
    kind = models.CharField(max_length=16)
    fingerprint = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token"], name="payments_vaultrecord_token_once"),
            whole_or_erased("payments_vaultrecord_whole_or_erased"),
        ]
        indexes = [
            models.Index(
                fields=["key_id", "id"],
                condition=Q(erased_at__isnull=True),
                name="payments_vaultrecord_by_key",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(erased_at__isnull=True),
                name="payments_vaultrecord_expiring",
            ),
            models.Index(fields=["fingerprint"], name="payments_vaultrecord_same"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def about(self) -> bytes:
        parts = ("payments_vaultrecord", "v1", self.id.hex, self.merchant_id.hex, self.token, self.kind)
        return "|".join(parts).encode()


class ExchangeKey(Sealed):
    """A P-256 key pair: the public half is published until `expires_at`, opens until `usable_until`."""

    PREFIX = "vek"

    public_key = models.BinaryField(max_length=65)
    expires_at = models.DateTimeField()
    usable_until = models.DateTimeField()

    class Meta:
        constraints = [whole_or_erased("payments_exchangekey_whole_or_erased")]
        indexes = [
            models.Index(fields=["expires_at"], name="payments_exchangekey_newest"),
            models.Index(
                fields=["key_id", "id"],
                condition=Q(erased_at__isnull=True),
                name="payments_exchangekey_by_key",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def about(self) -> bytes:
        return f"payments_exchangekey|v1|{self.id.hex}|{bytes(self.public_key).hex()}".encode()
