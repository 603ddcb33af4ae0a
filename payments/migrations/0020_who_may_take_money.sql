-- No operation that takes money is claimed for a merchant who may not act, nor an authorization with a stored method that
-- was removed: judged in the transaction of the claim, by whatever way it comes, without a statement of its own. (What is
-- written as over was taken by a claim before: the capture of a sale.)
-- The shared lock makes the two orders the only ones: who suspends a merchant takes it alone (vendors.locks.alone), so he
-- waits for claims that have begun, and those after him see what he wrote. Claims do not wait for each other.
CREATE FUNCTION payments_may_take_money() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('merchant|' || NEW.merchant_id, 0));
    IF NOT (SELECT is_active FROM vendors_merchant WHERE id = NEW.merchant_id) THEN
        RAISE EXCEPTION 'the merchant may not act'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_merchant_may_act';
    END IF;
    IF NEW.kind = 'authorize' AND NEW.request ? 'stored_method' THEN
        PERFORM 1 FROM payments_paymentmethod
        WHERE id = (NEW.request->>'stored_method')::uuid AND state <> 'removed' FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the stored method was removed'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_method_is_there';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_may_take_money BEFORE INSERT ON payments_provideroperation
    FOR EACH ROW WHEN (NEW.kind IN ('authorize', 'increment', 'capture') AND NEW.concluded_at IS NULL)
    EXECUTE FUNCTION payments_may_take_money();
