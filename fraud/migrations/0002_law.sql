-- The law of fraud, in the database.

-- 1. Signals are updated once, when their outcome is heard: room on the page keeps that update off the indexes.
ALTER TABLE fraud_signal SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

-- 2. A rule on record is what decisions were made by: nothing of it changes but its end and whether it is active,
--    and it is never deleted. Every write raises the revision, so that processes see that their cached rules are old.
CREATE FUNCTION fraud_rule_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a rule ends, it is not deleted' USING ERRCODE = '23001';
    END IF;
    IF (NEW.id, NEW.merchant_id, NEW.code, NEW.kind, NEW.dimension, NEW.window_seconds, NEW.limits, NEW.review_weight,
        NEW.decline_weight, NEW.fail_posture, NEW.version, NEW.valid_from)
       IS DISTINCT FROM
       (OLD.id, OLD.merchant_id, OLD.code, OLD.kind, OLD.dimension, OLD.window_seconds, OLD.limits, OLD.review_weight,
        OLD.decline_weight, OLD.fail_posture, OLD.version, OLD.valid_from) THEN
        RAISE EXCEPTION 'a rule on record is not edited: publish a new version' USING ERRCODE = '23001';
    END IF;
    NEW.revision := OLD.revision + 1;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER fraud_rule_law BEFORE UPDATE OR DELETE ON fraud_rule FOR EACH ROW EXECUTE FUNCTION fraud_rule_law();

-- 3. What a check found stays as it was found: only its state, and the mark of its last event, move on.
CREATE FUNCTION fraud_check_law() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER fraud_check_law BEFORE UPDATE OR DELETE ON fraud_check FOR EACH ROW EXECUTE FUNCTION fraud_check_law();
