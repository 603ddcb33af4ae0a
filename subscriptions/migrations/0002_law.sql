-- The law of subscriptions, in the database.

-- 1. A plan's terms are what customers agreed to: another price is another plan.
CREATE FUNCTION subscriptions_plan_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.merchant_id, NEW.code, NEW.amount_minor, NEW.currency, NEW.interval, NEW.interval_count, NEW.trial_days)
       IS DISTINCT FROM
       (OLD.id, OLD.merchant_id, OLD.code, OLD.amount_minor, OLD.currency, OLD.interval, OLD.interval_count, OLD.trial_days) THEN
        RAISE EXCEPTION 'the terms of a plan do not change: make another plan' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER subscriptions_plan_law BEFORE UPDATE ON subscriptions_plan
    FOR EACH ROW EXECUTE FUNCTION subscriptions_plan_law();

-- 2. Amounts, period and number of an invoice are fixed once it is no draft, and no final one is deleted.
CREATE FUNCTION subscriptions_invoice_law() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER subscriptions_invoice_law BEFORE UPDATE OR DELETE ON subscriptions_invoice
    FOR EACH ROW EXECUTE FUNCTION subscriptions_invoice_law();

-- 3. Lines come and go with a draft only. A line cannot be moved to another invoice either: both must be drafts.
CREATE FUNCTION subscriptions_invoice_line_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM subscriptions_invoice i WHERE i.state <> 'draft'
               AND i.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.invoice_id END,
                            CASE WHEN TG_OP <> 'DELETE' THEN NEW.invoice_id END)) THEN
        RAISE EXCEPTION 'the lines of a final invoice are fixed' USING ERRCODE = '23001';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER subscriptions_invoice_line_law BEFORE INSERT OR UPDATE OR DELETE ON subscriptions_invoice_line
    FOR EACH ROW EXECUTE FUNCTION subscriptions_invoice_line_law();
