"""Says whether an API key stands, in the transaction that asks, and has who revokes it wait for that one.

The shared lock makes the two orders the only ones: who revokes a key takes it alone (vendors.locks.key_alone), so he
waits for phases that have begun, and those after him see what he wrote: in a function each statement looks anew.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("vendors", "0005_laws_by_trigger")]

    operations = [
        migrations.RunSQL(
            """CREATE FUNCTION vendors_key_stands(key uuid) RETURNS boolean LANGUAGE plpgsql AS $$
               BEGIN
                   PERFORM pg_advisory_xact_lock_shared(hashtextextended('api_key|' || key, 0));
                   RETURN EXISTS (SELECT FROM vendors_apikey k WHERE k.id = key AND k.revoked_at IS NULL);
               END $$""",
            "DROP FUNCTION vendors_key_stands(uuid)",
        ),
    ]
