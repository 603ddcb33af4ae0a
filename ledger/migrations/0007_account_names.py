"""Accounts get a name for the world outside: a time-ordered key that the database makes itself."""

import ledger.models.accounts
from django.db import migrations, models

NAME = """
-- A version 7 UUID (RFC 9562): 48 bits of milliseconds over a random one. PostgreSQL has its own from 18 on.
CREATE FUNCTION ledger_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
        substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;
"""
KEEP = """
CREATE FUNCTION ledger_account_keeps_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an account keeps its public id' USING ERRCODE = '23001';
END $$;
CREATE TRIGGER ledger_account_keeps_name BEFORE UPDATE ON ledger_account
    FOR EACH ROW WHEN (OLD.public_uuid IS DISTINCT FROM NEW.public_uuid)
    EXECUTE FUNCTION ledger_account_keeps_name();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_balances")]

    operations = [
        migrations.RunSQL(NAME, "DROP FUNCTION ledger_uuid7"),
        migrations.AddField(
            "account",
            "public_uuid",
            models.UUIDField(db_default=ledger.models.accounts.Uuid7(), editable=False),
        ),
        migrations.AddConstraint(
            "account",
            models.UniqueConstraint(fields=["merchant_id", "public_uuid"], name="ledger_account_by_public_uuid"),
        ),
        migrations.RunSQL(KEEP, "DROP FUNCTION ledger_account_keeps_name CASCADE"),
    ]
