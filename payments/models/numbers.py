"""NumberCounter: the last human number handed out, per merchant, kind and year.

Gaps are allowed, repeats are not (the unique index of the numbered table repeats it). `payments.numbers` is
the only writer.
"""

from django.db import models


class NumberCounter(models.Model):
    """How far the numbers of one merchant, kind (PAY, REF) and year have been handed out."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=8)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "kind", "year"], name="payments_numbercounter_one_per_year"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}-{self.year}-{self.last:06}"
