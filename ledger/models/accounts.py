"""Account: where value sits. Its balance is exact for strict accounts and rolled up for deferred ones.

Sign: a debit is positive, a credit negative. A bound states what the account may not pass (a liability to a
vendor may not turn into a claim: `balance_max` 0), and money held (`ledger.models.transfers`) counts as gone.
The bounds are law in the database (trigger `ledger_account_within`). The key there is (id, merchant_id).
"""

from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from ledger import ids
from ledger.errors import NotFound


class AccountNotFound(NotFound):
    """No such account of this merchant."""

    code = "account_not_found"


class Uuid7(models.Func):
    """The database's own maker of time-ordered keys."""

    function = "ledger_uuid7"
    output_field = models.UUIDField()


class Account(models.Model):
    """One account of one merchant in one currency; opened once, never deleted.

    `id` is for the books' own joins; outside, an account is named by its `public_id`, which nobody can guess.
    """

    PREFIX = "acc"

    id = models.BigAutoField(primary_key=True)
    public_uuid = models.UUIDField(db_default=Uuid7(), editable=False)
    merchant_id = models.UUIDField()
    code = models.CharField(max_length=40)
    owner = models.CharField(max_length=80, default="", blank=True)
    currency = models.CharField(max_length=3)
    is_deferred = models.BooleanField()
    balance_min = models.BigIntegerField(null=True, blank=True)
    balance_max = models.BigIntegerField(null=True, blank=True)
    balance = models.BigIntegerField(default=0, db_default=0)
    held = models.BigIntegerField(default=0, db_default=0)
    version = models.BigIntegerField(default=0, db_default=0)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_account"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_id", "code", "owner", "currency"], name="ledger_account_one_per_purpose"
            ),
            models.UniqueConstraint(
                fields=["merchant_id", "public_uuid"], name="ledger_account_by_public_uuid"
            ),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.code.replace("_", " "), self.owner, self.currency)))

    @property
    def public_id(self) -> str:
        """The identifier that people and programs outside see."""
        key: UUID = self.public_uuid
        return ids.show(self.PREFIX, key)
