"""A final invoice is frozen, but for what an approved restoration of this transaction sets right."""

from django.db import migrations

LAW = """
CREATE OR REPLACE FUNCTION subscriptions_invoice_law() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE frozen text[] := '{id,merchant_id,subscription_id,number,currency,total_minor,period_start,period_end,'
                         'finalized_at}';
BEGIN
    IF OLD.state <> 'draft' AND TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a final invoice is voided, not deleted' USING ERRCODE = '23001';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    IF OLD.state <> 'draft' AND EXISTS (
           SELECT 1 FROM jsonb_each(to_jsonb(NEW)) told JOIN jsonb_each(to_jsonb(OLD)) was USING (key)
           WHERE key = ANY (frozen) AND told.value IS DISTINCT FROM was.value
             AND key <> ALL (ledger_restored_columns('invoice', OLD.id::text))) THEN
        RAISE EXCEPTION 'a final invoice is not edited: void it and write another' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION subscriptions_invoice_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'draft' AND TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a final invoice is voided, not deleted' USING ERRCODE = '23001';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    IF OLD.state <> 'draft' AND
       (NEW.merchant_id, NEW.subscription_id, NEW.number, NEW.currency, NEW.total_minor, NEW.period_start, NEW.period_end,
        NEW.finalized_at) IS DISTINCT FROM
       (OLD.merchant_id, OLD.subscription_id, OLD.number, OLD.currency, OLD.total_minor, OLD.period_start, OLD.period_end,
        OLD.finalized_at) THEN
        RAISE EXCEPTION 'a final invoice is not edited: void it and write another' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0002_law"), ("ledger", "0014_restored_columns")]

    operations = [migrations.RunSQL(LAW, BEFORE)]
