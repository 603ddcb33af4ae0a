"""What stays in the place of streams of events that were archived; an archive's row tells its whole header."""

from django.db import migrations, models

LAW = """
CREATE TRIGGER books_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_archived_stream
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_archived_stream ENABLE ALWAYS TRIGGER books_immutable;
"""


# Where the events of a stream went is told nowhere else: a house that archived one does not go back.
STAY = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM ledger_archived_stream) THEN
        RAISE EXCEPTION 'streams of events were archived: nothing else says where they are';
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0019_sealed_audit")]

    operations = [
        migrations.CreateModel(
            "ArchivedStream",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "subject_id", "subject_type", "archive", "merchant_id", blank=True, editable=False,
                        primary_key=True, serialize=False,
                    ),
                ),
                ("subject_id", models.UUIDField()),
                ("subject_type", models.CharField(max_length=40)),
                ("merchant_id", models.UUIDField()),
                ("archive", models.BigIntegerField()),
                ("first_sequence", models.PositiveIntegerField()),
                ("last_sequence", models.PositiveIntegerField()),
                ("last_hash", models.BinaryField()),
            ],
            options={"db_table": "ledger_archived_stream"},
        ),
        migrations.AddIndex(
            "ArchivedStream", models.Index(fields=["archive"], name="ledger_archived_stream_of")
        ),
        migrations.AddField("archivefile", "columns", models.JSONField(blank=True, null=True)),
        migrations.RunSQL(LAW, "DROP TRIGGER books_immutable ON ledger_archived_stream;"),
        migrations.RunSQL(migrations.RunSQL.noop, STAY),
    ]
