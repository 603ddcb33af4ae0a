"""The findings of a check are frozen, but for what an approved restoration of this transaction sets right."""

from django.db import migrations

LAW = """
CREATE OR REPLACE FUNCTION fraud_check_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE free text[] := '{state,version,event_hash}';
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a fraud check is not deleted' USING ERRCODE = '23001';
    END IF;
    IF (to_jsonb(NEW) - free) IS DISTINCT FROM (to_jsonb(OLD) - free) THEN
        free := free || ledger_restored_columns('fraud_check', OLD.id::text);
        IF (to_jsonb(NEW) - free) IS DISTINCT FROM (to_jsonb(OLD) - free) THEN
            RAISE EXCEPTION 'the findings of a fraud check are not edited' USING ERRCODE = '23001';
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION fraud_check_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a fraud check is not deleted' USING ERRCODE = '23001';
    END IF;
    IF (to_jsonb(NEW) - '{state,version,event_hash}'::text[]) IS DISTINCT FROM
       (to_jsonb(OLD) - '{state,version,event_hash}'::text[]) THEN
        RAISE EXCEPTION 'the findings of a fraud check are not edited' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("fraud", "0002_law"), ("ledger", "0014_restored_columns")]

    operations = [migrations.RunSQL(LAW, BEFORE)]
