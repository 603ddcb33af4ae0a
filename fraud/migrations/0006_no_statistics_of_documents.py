"""No statistics of the JSON documents of a judgement (payments 0021 says why)."""

from django.db import migrations


def _alter(target: int) -> list[str]:
    return [
        f"ALTER TABLE fraud_check ALTER COLUMN {column} SET STATISTICS {target}"
        for column in ("findings", "features")
    ]


class Migration(migrations.Migration):
    dependencies = [("fraud", "0005_one_index_less")]

    operations = [migrations.RunSQL(_alter(0), _alter(-1))]
