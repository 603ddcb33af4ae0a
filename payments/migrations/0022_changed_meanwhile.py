"""Who locks rows ahead of his writes, and finds them changed, is refused as by a serialization failure: his
phase is run again and reads them (`payments.locks.knowing`)."""

from django.db import migrations

SQL = """
CREATE FUNCTION payments_changed_meanwhile() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the payment was changed meanwhile' USING ERRCODE = 'serialization_failure';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0021_no_statistics_of_documents")]

    operations = [migrations.RunSQL(SQL, "DROP FUNCTION payments_changed_meanwhile();")]
