"""ApiKey: how a merchant's server proves who it is.

Only the SHA-256 of the secret is kept: it is 256 bits of chance, so no slow hash is needed. The plaintext
is shown once, when the key is issued.
"""

from django.db import models
from django.db.models.functions import Now

from ledger.errors import NotFound
from ledger.ids import show, uuid7
from vendors.models.merchants import Merchant, Mode


class ApiKeyNotFound(NotFound):
    """No such API key of this merchant."""

    code = "api_key_not_found"


class ApiKey(models.Model):
    """A key `sk_test_<lookup>_<secret>`: its scopes, its mode, and how long it holds."""

    PREFIX = "key"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="api_keys")
    mode = models.CharField(max_length=8, choices=Mode)
    label = models.CharField(max_length=80, blank=True)
    lookup = models.CharField(max_length=16, unique=True)
    secret_sha256 = models.BinaryField(max_length=32)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mode__in=Mode.values), name="vendors_key_mode_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label or 'API key'} {self.lookup}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)
