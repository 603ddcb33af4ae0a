-- The law of the books, in the database (DESIGN 7).
-- Why here: no code path, however wrong, may write an unbalanced entry or change a written one.

-- 1. Columns that Django does not know: the writing transaction, for watermarks that no commit order can fool.
ALTER TABLE ledger_account SET (fillfactor = 50);
ALTER TABLE ledger_account ADD COLUMN rolled_to xid8 NOT NULL DEFAULT '0';
ALTER TABLE ledger_entry   ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE ledger_posting ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE ledger_event   ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX ledger_entry_by_transaction ON ledger_entry (xid);
CREATE INDEX ledger_event_by_transaction ON ledger_event (xid);
CREATE INDEX ledger_posting_tail ON ledger_posting (account_id, xid) INCLUDE (amount) WHERE balance_after IS NULL;

-- 2. State machines: an edge must exist for every change of a guarded state column.
CREATE TABLE ledger_state_edge (
    machine text NOT NULL, source text NOT NULL, target text NOT NULL, PRIMARY KEY (machine, source, target)
);
CREATE FUNCTION ledger_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE was text := '';
BEGIN
    IF TG_OP = 'UPDATE' THEN was := OLD.state; END IF;
    IF NOT EXISTS (SELECT 1 FROM ledger_state_edge e
                   WHERE e.machine = TG_ARGV[0] AND e.source = was AND e.target = NEW.state) THEN
        RAISE EXCEPTION 'machine % has no edge from "%" to "%"', TG_ARGV[0], was, NEW.state
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_state_edge';
    END IF;
    RETURN NEW;
END $$;

-- 3. What is written stays: UPDATE, DELETE and TRUNCATE are refused on the books, the events, the audit and the seals.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append only: % refused; write a correcting entry instead', TG_TABLE_NAME, TG_OP
        USING ERRCODE = '23001';
END $$;
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_entry', 'ledger_posting', 'ledger_event', 'ledger_audit', 'ledger_seal'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', name || '_immutable', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_immutable');
    END LOOP;
END $$;

-- An account may be rolled up and moved by postings, but never becomes another account.
CREATE FUNCTION ledger_account_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'accounts are never deleted' USING ERRCODE = '23001';
    END IF;
    IF (NEW.id, NEW.merchant_id, NEW.code, NEW.owner, NEW.currency, NEW.is_deferred)
       IS DISTINCT FROM (OLD.id, OLD.merchant_id, OLD.code, OLD.owner, OLD.currency, OLD.is_deferred) THEN
        RAISE EXCEPTION 'an account keeps its identity' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_account_identity BEFORE UPDATE OR DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_identity();
CREATE TRIGGER ledger_account_no_truncate BEFORE TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- 4. Every statement that inserts postings inserts whole, balanced entries on accounts that fit.
-- Scalar subqueries, not joins: a join with a transition table was planned as a scan of the growing tables.
CREATE FUNCTION ledger_check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM inserted GROUP BY entry_id, currency HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'an entry does not balance in each currency'
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_entry_balances';
    END IF;
    IF EXISTS (SELECT 1 FROM inserted i
               WHERE (SELECT (a.currency, a.merchant_id) FROM ledger_account a WHERE a.id = i.account_id)
                     IS DISTINCT FROM (i.currency, i.merchant_id)) THEN
        RAISE EXCEPTION 'a posting names an account of another currency or merchant, or none'
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_posting_account_fits';
    END IF;
    IF EXISTS (SELECT 1 FROM inserted i
               WHERE (SELECT (e.xid, e.merchant_id) FROM ledger_entry e WHERE e.id = i.entry_id)
                     IS DISTINCT FROM (pg_current_xact_id(), i.merchant_id)) THEN
        RAISE EXCEPTION 'a posting joins an entry of another transaction or merchant, or none'
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_posting_entry_is_new';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_posting_law AFTER INSERT ON ledger_posting
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_postings();
ALTER TABLE ledger_posting ENABLE ALWAYS TRIGGER ledger_posting_law;

-- 5. The content of an entry, as one hash; the sealer chains these off the hot path.
CREATE FUNCTION ledger_content_hash(
    id uuid, merchant_id uuid, kind text, source_type text, source_id uuid, step text, occurred_at timestamptz,
    reverses_id uuid, lines text
) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(concat_ws('|', id, merchant_id, kind, source_type, source_id, step,
        extract(epoch FROM occurred_at)::numeric(20, 6), coalesce(reverses_id::text, ''), lines), 'UTF8'))
$$;
CREATE FUNCTION ledger_entry_hash(wanted uuid) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT ledger_content_hash(e.id, e.merchant_id, e.kind, e.source_type, e.source_id, e.step, e.occurred_at,
        e.reverses_id,
        (SELECT string_agg(concat_ws(':', p.line, p.account_id, p.currency, p.amount, p.purpose,
                                     coalesce(p.balance_after::text, '')), ',' ORDER BY p.line)
         FROM ledger_posting p WHERE p.entry_id = e.id))
    FROM ledger_entry e WHERE e.id = wanted
$$;

-- 6. The only writer of entries and postings: any number of entries in one call, strict accounts locked in id order.
-- entry arrays have one element an entry; posting arrays one a posting, `p_entry` counting entries from 1.
CREATE FUNCTION ledger_post(
    e_id uuid[], e_merchant uuid[], e_kind text[], e_source_type text[], e_source_id uuid[], e_step text[],
    e_occurred_at timestamptz[], e_reverses uuid[],
    p_entry int[], p_line int[], p_account bigint[], p_amount bigint[], p_purpose text[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Locks first, in id order: two calls that touch the same accounts cannot wait for each other in a circle.
    PERFORM 1 FROM ledger_account a WHERE a.id = ANY (p_account) AND NOT a.is_deferred
        ORDER BY a.id FOR NO KEY UPDATE;
    WITH leg AS MATERIALIZED (
        SELECT l.entry, l.line, l.account, l.amount, l.purpose, a.currency,
               CASE WHEN a.is_deferred THEN NULL
                    ELSE a.balance + sum(l.amount) OVER (PARTITION BY l.account ORDER BY l.entry, l.line) END
                   AS balance_after
        FROM unnest(p_entry, p_line, p_account, p_amount, p_purpose) AS l (entry, line, account, amount, purpose)
        LEFT JOIN ledger_account a ON a.id = l.account
    ), text_of AS (
        SELECT entry, string_agg(concat_ws(':', line, account, currency, amount, purpose,
                                           coalesce(balance_after::text, '')), ',' ORDER BY line) AS lines
        FROM leg GROUP BY entry
    ), head AS (
        INSERT INTO ledger_entry (id, merchant_id, kind, source_type, source_id, step, occurred_at, reverses_id,
                                  content_hash)
        SELECT h.id, h.merchant, h.kind, h.source_type, h.source_id, h.step, h.occurred_at, h.reverses,
               ledger_content_hash(h.id, h.merchant, h.kind, h.source_type, h.source_id, h.step, h.occurred_at,
                                   h.reverses, t.lines)
        FROM unnest(e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at, e_reverses)
             WITH ORDINALITY AS h (id, merchant, kind, source_type, source_id, step, occurred_at, reverses, entry)
        LEFT JOIN text_of t ON t.entry = h.entry
    ), moved AS (
        UPDATE ledger_account a SET balance = a.balance + m.amount, version = a.version + 1
        FROM (SELECT account, sum(amount)::bigint AS amount FROM leg WHERE balance_after IS NOT NULL
              GROUP BY account) m
        WHERE a.id = m.account
    )
    INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose)
    SELECT e_id[leg.entry], leg.line, e_merchant[leg.entry], leg.account, leg.currency, leg.amount,
           leg.balance_after, leg.purpose
    FROM leg;
END $$;

-- 7. Deferred accounts: fold what no running transaction can still add to (xid below the oldest running one).
CREATE FUNCTION ledger_roll() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
    rolled bigint;
BEGIN
    -- One roller at a time; a second one has nothing to add.
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_roll')) THEN RETURN 0; END IF;
    WITH tail AS (
        SELECT a.id, t.amount
        FROM ledger_account a
        CROSS JOIN LATERAL (
            SELECT sum(p.amount)::bigint AS amount FROM ledger_posting p
            WHERE p.account_id = a.id AND p.balance_after IS NULL AND p.xid >= a.rolled_to AND p.xid < horizon
        ) t
        WHERE a.is_deferred AND t.amount IS NOT NULL
    )
    UPDATE ledger_account a SET balance = a.balance + tail.amount, rolled_to = horizon, version = a.version + 1
    FROM tail WHERE a.id = tail.id;
    GET DIAGNOSTICS rolled = ROW_COUNT;
    RETURN rolled;
END $$;

-- The exact balance of every account at this instant (strict: the row; deferred: the row and the tail).
CREATE VIEW ledger_balance AS
SELECT a.id, a.merchant_id, a.code, a.owner, a.currency, a.is_deferred,
       a.balance + CASE WHEN a.is_deferred THEN coalesce(
           (SELECT sum(p.amount)::bigint FROM ledger_posting p
            WHERE p.account_id = a.id AND p.balance_after IS NULL AND p.xid >= a.rolled_to), 0) ELSE 0 END AS balance
FROM ledger_account a;
