"""By its id alone an archived event is found in few files; a subject's first event stays known by its id."""

from django.db import migrations, models

LAW = """
CREATE TRIGGER books_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_archived_hour
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_archived_hour ENABLE ALWAYS TRIGGER books_immutable;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0025_one_index_less")]

    operations = [
        migrations.AddField("archivedstream", "first_event", models.UUIDField(null=True)),
        migrations.CreateModel(
            "ArchivedHour",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "archive", "hour", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("archive", models.BigIntegerField()),
                (
                    "hour",
                    models.BigIntegerField(help_text="Whole hours since 1970, as the events' ids tell."),
                ),
                ("events", models.BigIntegerField()),
            ],
            options={
                "db_table": "ledger_archived_hour",
                "indexes": [models.Index(fields=["hour"], name="ledger_archived_hour_of")],
            },
        ),
        migrations.RunSQL(LAW, "DROP TRIGGER books_immutable ON ledger_archived_hour;"),
    ]
