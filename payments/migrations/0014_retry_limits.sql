-- No authorization is claimed with a card that the schemes forbid to try (payments.rules.retry_limits): by whatever
-- statement, and without one of its own on the hot path.
CREATE FUNCTION payments_retry_limit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bound record;
BEGIN
    SELECT reason, earliest_at INTO bound FROM payments_retrystanding
    WHERE merchant_id = NEW.merchant_id AND method_key = NEW.request->>'method_key'
      AND (is_never OR earliest_at > NEW.created_at);
    IF FOUND THEN
        RAISE EXCEPTION 'the card may not be tried again'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_retry_limit',
                  DETAIL = json_build_object(
                      'reason', bound.reason,
                      'earliest_at', to_char(bound.earliest_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_retry_limit BEFORE INSERT ON payments_provideroperation
    FOR EACH ROW WHEN (NEW.kind = 'authorize' AND NEW.request ? 'method_key')
    EXECUTE FUNCTION payments_retry_limit();
