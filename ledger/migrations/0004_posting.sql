-- Posting, its law, and balances, on partitioned tables. Each error has a constraint's name, which Python reads.

-- 1. Every statement that inserts postings inserts whole, balanced entries on accounts that fit.
-- A statement with one entry in one currency, which nearly all are, is judged in one pass without grouping.
-- Scalar subqueries, not joins: a join with a transition table was planned as a scan of the growing tables. Entries are
-- looked up by a variable, so that the other months' partitions are left out before the plan starts.
CREATE OR REPLACE FUNCTION ledger_check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whole record;
    part record;
    written xid8;
BEGIN
    SELECT sum(i.amount) AS off,
           bool_and((i.entry_id, i.merchant_id, i.currency) = (f.entry_id, f.merchant_id, f.currency)) AS is_one,
           bool_and(coalesce((SELECT a.currency = i.currency FROM ledger_account a
                              WHERE a.id = i.account_id AND a.merchant_id = i.merchant_id), false)) AS fits,
           (array_agg(f.entry_id))[1] AS entry_id, (array_agg(f.merchant_id))[1] AS merchant_id
    INTO whole
    FROM inserted i, (SELECT entry_id, merchant_id, currency FROM inserted LIMIT 1) f;
    IF NOT whole.fits THEN
        RAISE EXCEPTION 'a posting names an account of another currency or merchant, or none'
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_posting_account_fits';
    ELSIF whole.is_one AND whole.off = 0 THEN
        SELECT e.xid INTO written FROM ledger_entry e
        WHERE e.id = whole.entry_id AND e.merchant_id = whole.merchant_id;
        IF written = pg_current_xact_id() THEN RETURN NULL; END IF;
    END IF;
    FOR part IN SELECT i.entry_id, i.merchant_id, sum(i.amount) AS off
                FROM inserted i GROUP BY i.entry_id, i.merchant_id, i.currency LOOP
        IF part.off <> 0 THEN
            RAISE EXCEPTION 'entry % does not balance in each currency', part.entry_id
                USING ERRCODE = '23514', CONSTRAINT = 'ledger_entry_balances';
        END IF;
        SELECT e.xid INTO written FROM ledger_entry e
        WHERE e.id = part.entry_id AND e.merchant_id = part.merchant_id;
        IF written IS DISTINCT FROM pg_current_xact_id() THEN
            RAISE EXCEPTION 'a posting joins an entry of another transaction or merchant, or none'
                USING ERRCODE = '23514', CONSTRAINT = 'ledger_posting_entry_is_new';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- The hash of an entry's content as before, but STABLE as its parts are: so it is written into the statement that asks
-- for it, where a call cost a third of the posting.
CREATE OR REPLACE FUNCTION ledger_content_hash(
    id uuid, merchant_id uuid, kind text, source_type text, source_id uuid, step text, occurred_at timestamptz,
    reverses_id uuid, lines text
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(concat_ws('|', id, merchant_id, kind, source_type, source_id, step,
        extract(epoch FROM occurred_at)::numeric(20, 6), coalesce(reverses_id::text, ''), lines), 'UTF8'))
$$;

-- An account's identity is looked at only by a statement that names one of its columns: posting does not.
DROP TRIGGER ledger_account_identity ON ledger_account;
CREATE TRIGGER ledger_account_identity
    BEFORE DELETE OR UPDATE OF id, merchant_id, code, owner, currency, is_deferred ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_identity();

-- 2. Accounts that cannot be posted to are named before anything else fails.
CREATE FUNCTION ledger_refuse_accounts(entry_merchants uuid[], of_entry int[], accounts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    SELECT l.account, a.id, a.closed_at INTO found
    FROM unnest(of_entry, accounts) AS l (entry, account)
    LEFT JOIN ledger_account a ON a.id = l.account AND a.merchant_id = entry_merchants[l.entry]
    WHERE a.id IS NULL OR a.closed_at IS NOT NULL LIMIT 1;
    IF found.account IS NULL THEN RETURN; END IF;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'account % is none of this merchant', found.account
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_account_known';
    END IF;
    RAISE EXCEPTION 'account % is closed', found.account
        USING ERRCODE = '23514', CONSTRAINT = 'ledger_account_open';
END $$;

-- A reversing entry is the opposite of the one it names, leg by leg, of the same merchant.
CREATE FUNCTION ledger_refuse_reversal(
    reversed uuid, merchant uuid, accounts bigint[], amounts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT array_agg((p.account_id, -p.amount) ORDER BY p.account_id, -p.amount)
        FROM ledger_posting p WHERE p.entry_id = reversed AND p.merchant_id = merchant)
       IS DISTINCT FROM
       (SELECT array_agg((l.account, l.amount) ORDER BY l.account, l.amount)
        FROM unnest(accounts, amounts) AS l (account, amount)) THEN
        RAISE EXCEPTION 'entry % is not the one that these legs take back', reversed
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_reversal_is_opposite';
    END IF;
END $$;

-- 3. One entry. Strict accounts are moved one after the other in the order of their ids, which is checked, so two
-- calls that touch the same accounts cannot wait for each other in a circle; a deferred account is only looked at.
-- `p_…` come sorted by account and line. Statements by primary key, no set machinery: half the cost of the batch.
CREATE FUNCTION ledger_post_one(
    e_id uuid, e_merchant uuid, e_kind text, e_source_type text, e_source_id uuid, e_step text,
    e_occurred_at timestamptz, e_reverses uuid,
    p_line int[], p_account bigint[], p_amount bigint[], p_purpose text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    legs int := cardinality(p_account);
    first int := 1;
    last int;
    total bigint;
    after bigint;
    their_currency text;
    currencies text[] := array_fill(NULL::text, ARRAY[legs]);
    afters bigint[] := array_fill(NULL::bigint, ARRAY[legs]);
    texts text[] := array_fill(NULL::text, ARRAY[legs]);
    moment timestamptz;
BEGIN
    WHILE first <= legs LOOP
        last := first;
        total := p_amount[first];
        WHILE last < legs AND p_account[last + 1] = p_account[first] LOOP
            last := last + 1;
            total := total + p_amount[last];
        END LOOP;
        IF last < legs AND p_account[last + 1] < p_account[first] THEN
            RAISE EXCEPTION 'legs must come sorted by account' USING ERRCODE = '22023';
        END IF;
        -- The sum of an account's legs at once: a bound holds for the entry, not between two of its lines.
        UPDATE ledger_account a SET balance = a.balance + total, version = a.version + 1
        WHERE a.id = p_account[first] AND a.merchant_id = e_merchant AND NOT a.is_deferred AND a.closed_at IS NULL
        RETURNING a.currency, a.balance - total INTO their_currency, after;
        IF NOT FOUND THEN
            SELECT a.currency INTO their_currency FROM ledger_account a
            WHERE a.id = p_account[first] AND a.merchant_id = e_merchant AND a.is_deferred AND a.closed_at IS NULL;
            IF NOT FOUND THEN
                PERFORM ledger_refuse_accounts(ARRAY[e_merchant], array_fill(1, ARRAY[legs]), p_account);
            END IF;
            after := NULL;
        END IF;
        FOR leg IN first .. last LOOP
            after := after + p_amount[leg];
            currencies[leg] := their_currency;
            afters[leg] := after;
            texts[p_line[leg]] := p_line[leg] || ':' || p_account[leg] || ':' || their_currency || ':' || p_amount[leg]
                                  || ':' || p_purpose[leg] || ':' || coalesce(after::text, '');
        END LOOP;
        first := last + 1;
    END LOOP;
    INSERT INTO ledger_fact (source_id, source_type, step, merchant_id, entry_id)
    VALUES (e_source_id, e_source_type, e_step, e_merchant, e_id);
    IF e_reverses IS NOT NULL THEN
        PERFORM ledger_refuse_reversal(e_reverses, e_merchant, p_account, p_amount);
        INSERT INTO ledger_fact (source_id, source_type, step, merchant_id, entry_id)
        VALUES (e_reverses, 'reversal', '', e_merchant, e_id);
    END IF;
    -- Read after the locks: on a strict account the order of these moments is the order of its postings; and after this
    -- transaction has its number: what has a number past a snapshot's is also later than that snapshot.
    moment := clock_timestamp();
    INSERT INTO ledger_entry (id, merchant_id, kind, source_type, source_id, step, occurred_at, recorded_at,
                              reverses_id, content_hash)
    VALUES (e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at, moment, e_reverses,
            ledger_content_hash(e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at,
                                e_reverses, array_to_string(texts, ',')));
    INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose,
                                recorded_at)
    SELECT e_id, unnest(p_line), e_merchant, unnest(p_account), unnest(currencies), unnest(p_amount), unnest(afters),
           unnest(p_purpose), moment;
END $$;

-- 4. Any number of entries in one call; the running balances follow (entry id, line).
-- Entry arrays have one element an entry; posting arrays one a posting, `p_entry` counting entries from 1.
CREATE OR REPLACE FUNCTION ledger_post(
    e_id uuid[], e_merchant uuid[], e_kind text[], e_source_type text[], e_source_id uuid[], e_step text[],
    e_occurred_at timestamptz[], e_reverses uuid[],
    p_entry int[], p_line int[], p_account bigint[], p_amount bigint[], p_purpose text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
    taken_back record;
BEGIN
    IF cardinality(e_id) = 1 THEN
        PERFORM ledger_post_one(e_id[1], e_merchant[1], e_kind[1], e_source_type[1], e_source_id[1], e_step[1],
                                e_occurred_at[1], e_reverses[1], p_line, p_account, p_amount, p_purpose);
        RETURN;
    END IF;
    PERFORM 1 FROM ledger_account a WHERE a.id = ANY (p_account) AND NOT a.is_deferred
        ORDER BY a.id FOR NO KEY UPDATE;
    PERFORM ledger_refuse_accounts(e_merchant, p_entry, p_account);
    FOR taken_back IN SELECT r.id, r.entry FROM unnest(e_reverses) WITH ORDINALITY AS r (id, entry)
                      WHERE r.id IS NOT NULL LOOP
        PERFORM ledger_refuse_reversal(taken_back.id, e_merchant[taken_back.entry],
            array_agg(l.account), array_agg(l.amount))
        FROM unnest(p_entry, p_account, p_amount) AS l (entry, account, amount) WHERE l.entry = taken_back.entry;
    END LOOP;
    -- A bound holds after every entry, not only after the last one (of several lines of an entry, after all of them).
    IF EXISTS (
        SELECT 1 FROM (
            SELECT l.account, l.entry, sum(sum(l.amount)) OVER (PARTITION BY l.account ORDER BY e_id[l.entry]) AS moved
            FROM unnest(p_entry, p_account, p_amount) AS l (entry, account, amount) GROUP BY l.account, l.entry
        ) r JOIN ledger_account a ON a.id = r.account AND a.merchant_id = e_merchant[r.entry]
        WHERE NOT a.is_deferred
          AND (a.balance + r.moved < a.balance_min + a.held OR a.balance + r.moved > a.balance_max - a.held)
    ) THEN
        RAISE EXCEPTION 'an entry of the call passes a bound'
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_account_within_bounds';
    END IF;
    PERFORM pg_current_xact_id();  -- before the moment, as above
    moment := clock_timestamp();
    WITH head AS MATERIALIZED (
        SELECT * FROM unnest(e_id, e_merchant, e_kind, e_source_type, e_source_id, e_step, e_occurred_at, e_reverses)
             WITH ORDINALITY AS h (id, merchant, kind, source_type, source_id, step, occurred_at, reverses, entry)
    ), leg AS MATERIALIZED (
        SELECT l.entry, l.line, l.account, l.amount, l.purpose, a.currency, e_id[l.entry] AS entry_id,
               e_merchant[l.entry] AS merchant,
               CASE WHEN a.is_deferred THEN NULL
                    ELSE a.balance + sum(l.amount) OVER (PARTITION BY l.account ORDER BY e_id[l.entry], l.line) END
                   AS balance_after
        FROM unnest(p_entry, p_line, p_account, p_amount, p_purpose) AS l (entry, line, account, amount, purpose)
        LEFT JOIN ledger_account a ON a.id = l.account AND a.merchant_id = e_merchant[l.entry]
    ), text_of AS (
        SELECT entry, string_agg(line || ':' || account || ':' || currency || ':' || amount || ':' || purpose || ':'
                                 || coalesce(balance_after::text, ''), ',' ORDER BY line) AS lines
        FROM leg GROUP BY entry
    ), fact AS (
        INSERT INTO ledger_fact (source_id, source_type, step, merchant_id, entry_id)
        SELECT source_id, source_type, step, merchant, id FROM head
        UNION ALL SELECT reverses, 'reversal', '', merchant, id FROM head WHERE reverses IS NOT NULL
    ), entry AS (
        INSERT INTO ledger_entry (id, merchant_id, kind, source_type, source_id, step, occurred_at, recorded_at,
                                  reverses_id, content_hash)
        SELECT h.id, h.merchant, h.kind, h.source_type, h.source_id, h.step, h.occurred_at, moment, h.reverses,
               ledger_content_hash(h.id, h.merchant, h.kind, h.source_type, h.source_id, h.step, h.occurred_at,
                                   h.reverses, t.lines)
        FROM head h LEFT JOIN text_of t ON t.entry = h.entry
    ), moved AS (
        UPDATE ledger_account a SET balance = a.balance + m.amount, version = a.version + 1
        FROM (SELECT account, merchant, sum(amount)::bigint AS amount FROM leg WHERE balance_after IS NOT NULL
              GROUP BY 1, 2) m
        WHERE a.id = m.account AND a.merchant_id = m.merchant
    )
    INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose,
                                recorded_at)
    SELECT entry_id, line, merchant, account, currency, amount, balance_after, purpose, moment FROM leg;
END $$;

-- 5. Deferred accounts: fold what no running transaction can still add to (xid below the oldest running one).
-- The work follows what was written since the last roll, not the number of accounts: an account that did not move
-- keeps its older watermark, past which it has nothing.
CREATE TABLE ledger_watermark (name text PRIMARY KEY, upto xid8 NOT NULL);
INSERT INTO ledger_watermark SELECT 'roll', coalesce(min(rolled_to::text::bigint), 0)::text::xid8
    FROM ledger_account WHERE is_deferred;
CREATE OR REPLACE FUNCTION ledger_roll() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
    since xid8;
    rolled bigint;
BEGIN
    -- One roller at a time; a second one has nothing to add.
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_roll')) THEN RETURN 0; END IF;
    SELECT upto INTO since FROM ledger_watermark WHERE name = 'roll' FOR UPDATE;
    IF horizon <= since THEN RETURN 0; END IF;
    WITH tail AS (
        SELECT p.account_id, p.merchant_id, sum(p.amount)::bigint AS amount
        FROM ledger_entry e JOIN ledger_posting p ON p.entry_id = e.id AND p.merchant_id = e.merchant_id
        JOIN ledger_account a ON a.id = p.account_id AND a.merchant_id = p.merchant_id AND p.xid >= a.rolled_to
        WHERE e.xid >= since AND e.xid < horizon AND p.balance_after IS NULL GROUP BY 1, 2
    )
    UPDATE ledger_account a SET balance = a.balance + tail.amount, rolled_to = horizon, version = a.version + 1
    FROM tail WHERE a.id = tail.account_id AND a.merchant_id = tail.merchant_id;
    GET DIAGNOSTICS rolled = ROW_COUNT;
    UPDATE ledger_watermark SET upto = horizon WHERE name = 'roll';
    RETURN rolled;
END $$;

-- The exact balance of every account at this instant (strict: the row; deferred: the row and the tail).
CREATE VIEW ledger_balance AS
SELECT a.id, a.merchant_id, a.code, a.owner, a.currency, a.is_deferred, a.held,
       a.balance + CASE WHEN a.is_deferred THEN coalesce(
           (SELECT sum(p.amount)::bigint FROM ledger_posting p
            WHERE p.account_id = a.id AND p.balance_after IS NULL AND p.xid >= a.rolled_to), 0) ELSE 0 END AS balance
FROM ledger_account a;
