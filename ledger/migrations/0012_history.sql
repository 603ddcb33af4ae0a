-- Restorations: a corrupted row or balance is set right by what two people approved, and by nothing else.

-- 1. A restoration is frozen when it is proposed and applied once; the transaction that applies it is noted.
ALTER TABLE ledger_restoration ADD COLUMN applied_in xid8;
CREATE INDEX ledger_restoration_in_transaction ON ledger_restoration (applied_in) WHERE applied_in IS NOT NULL;
CREATE FUNCTION ledger_restoration_law() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION 'restorations stay' USING ERRCODE = '23001';
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.applied_in := NULL;
        RETURN NEW;
    END IF;
    IF OLD.state IN ('applied', 'rejected') THEN
        RAISE EXCEPTION 'a closed restoration stays as it is' USING ERRCODE = '23001';
    END IF;
    IF (NEW.id, NEW.merchant_id, NEW.subject_type, NEW.subject_key, NEW.sequence, NEW.difference, NEW.reason,
        NEW.proposer) IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.subject_type, OLD.subject_key, OLD.sequence,
                                        OLD.difference, OLD.reason, OLD.proposer)
       OR (OLD.first_approver <> '' AND NEW.first_approver <> OLD.first_approver) THEN
        RAISE EXCEPTION 'what was proposed and approved is frozen' USING ERRCODE = '23001';
    END IF;
    NEW.applied_in := CASE WHEN NEW.state = 'applied' THEN pg_current_xact_id() END;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_restoration_law BEFORE INSERT OR UPDATE OR DELETE ON ledger_restoration
    FOR EACH ROW EXECUTE FUNCTION ledger_restoration_law();
CREATE TRIGGER ledger_restoration_stays BEFORE TRUNCATE ON ledger_restoration
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_restoration_law();

-- 2. Whether this very transaction has applied a restoration of this row; nothing can be said to be one afterwards.
-- The check constraint of the table has seen to it that two others than the proposer approved.
CREATE FUNCTION ledger_is_restoring(of_type text, of_key text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM ledger_restoration r
                   WHERE r.applied_in = pg_current_xact_id_if_assigned() AND r.state = 'applied'
                     AND r.subject_type = of_type AND r.subject_key = of_key)
$$;

-- 3. A move that is no edge passes when it is the state that the restoration tells.
CREATE OR REPLACE FUNCTION ledger_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE was text := '';
BEGIN
    IF TG_OP = 'UPDATE' THEN was := OLD.state; END IF;
    IF NOT EXISTS (SELECT 1 FROM ledger_state_edge e
                   WHERE e.machine = TG_ARGV[0] AND e.source = was AND e.target = NEW.state) THEN
        IF ledger_is_restoring(TG_ARGV[0], NEW.id::text) AND EXISTS (
               SELECT 1 FROM ledger_restoration r
               WHERE r.applied_in = pg_current_xact_id_if_assigned()
                 AND r.subject_type = TG_ARGV[0] AND r.subject_key = NEW.id::text
                 AND r.difference @> jsonb_build_array(jsonb_build_object('name', 'state', 'told', NEW.state))) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'machine % has no edge from "%" to "%"', TG_ARGV[0], was, NEW.state
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_state_edge';
    END IF;
    RETURN NEW;
END $$;

-- 4. A balance from its postings: with the rights of the owner, and only under a restoration of this transaction.
CREATE FUNCTION ledger_restore_balance(of_account bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE due bigint;
BEGIN
    IF NOT ledger_is_restoring('account', of_account::text) THEN
        RAISE EXCEPTION 'a balance is rebuilt only by a restoration that two people approved' USING ERRCODE = '42501';
    END IF;
    -- Posters of a strict account lock its row first, so what is summed after this lock is all there is.
    PERFORM 1 FROM ledger_account a WHERE a.id = of_account FOR UPDATE;
    SELECT coalesce(sum(p.amount) FILTER (WHERE NOT a.is_deferred OR p.xid < a.rolled_to), 0)::bigint INTO due
    FROM ledger_account a LEFT JOIN ledger_posting p ON p.account_id = a.id WHERE a.id = of_account;
    -- What archived months carried forward.
    due := due + coalesce((SELECT sum(c.amount) FROM ledger_carried c WHERE c.account_id = of_account), 0)::bigint;
    UPDATE ledger_account a SET balance = due, version = a.version + 1 WHERE a.id = of_account;
    RETURN due;
END $$;
