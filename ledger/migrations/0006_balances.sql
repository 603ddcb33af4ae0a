-- Balances of the past, whose cost does not follow an account's history.
--
-- A mark is a moment T and the number X of the next transaction as of a snapshot taken after T. A posting reads its
-- `recorded_at` after its transaction has its number, so a posting of X or later was recorded after T. Once every
-- transaction below X has ended, nothing can be added that was recorded at or before T: the mark is settled.
CREATE TABLE ledger_mark (
    name text PRIMARY KEY, settled_at timestamptz NOT NULL, settled_upto xid8 NOT NULL,
    next_at timestamptz NOT NULL, next_upto xid8 NOT NULL
);
INSERT INTO ledger_mark VALUES ('balances', '-infinity', '0', '-infinity', '0');

-- The exact balance of a deferred account at a settled moment, about every thousand postings.
CREATE TABLE ledger_checkpoint (
    account_id bigint NOT NULL, merchant_id uuid NOT NULL, at timestamptz NOT NULL, balance bigint NOT NULL,
    PRIMARY KEY (account_id, at, merchant_id)
);
-- What an account moved by effective time: days for all accounts, hours besides for deferred ones; and between which
-- moments the postings of the period were recorded, so that a part of it can be looked up.
CREATE TABLE ledger_period (
    account_id bigint NOT NULL, merchant_id uuid NOT NULL, width text NOT NULL CHECK (width IN ('day', 'hour')),
    begins timestamptz NOT NULL, amount bigint NOT NULL, recorded_from timestamptz NOT NULL,
    recorded_to timestamptz NOT NULL, PRIMARY KEY (account_id, width, begins, merchant_id)
);

-- Settle the mark when it can be, checkpoint what has moved since the last one, and set the next mark.
CREATE FUNCTION ledger_settle_balances(every_postings int DEFAULT 1000) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    mark ledger_mark;
    written bigint := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_settle_balances')) THEN RETURN 0; END IF;
    SELECT * INTO mark FROM ledger_mark WHERE name = 'balances' FOR UPDATE;
    IF pg_snapshot_xmin(pg_current_snapshot()) < mark.next_upto THEN RETURN 0; END IF;
    INSERT INTO ledger_period AS period
        (account_id, merchant_id, width, begins, amount, recorded_from, recorded_to)
    SELECT p.account_id, p.merchant_id, w.width, date_trunc(w.width, e.occurred_at, 'UTC'), sum(p.amount)::bigint,
           min(p.recorded_at), max(p.recorded_at)
    FROM ledger_entry e JOIN ledger_posting p ON p.entry_id = e.id AND p.merchant_id = e.merchant_id
    JOIN (VALUES ('day'), ('hour')) AS w (width) ON w.width = 'day' OR p.balance_after IS NULL
    WHERE e.xid >= mark.settled_upto AND e.xid < mark.next_upto
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 4
    ON CONFLICT (account_id, width, begins, merchant_id) DO UPDATE SET
        amount = period.amount + excluded.amount,
        recorded_from = least(period.recorded_from, excluded.recorded_from),
        recorded_to = greatest(period.recorded_to, excluded.recorded_to);
    GET DIAGNOSTICS written = ROW_COUNT;
    INSERT INTO ledger_checkpoint (account_id, merchant_id, at, balance)
    SELECT m.account_id, m.merchant_id, mark.next_at, coalesce(c.balance, 0) + s.amount
    FROM (SELECT DISTINCT p.account_id, p.merchant_id
          FROM ledger_entry e JOIN ledger_posting p ON p.entry_id = e.id AND p.merchant_id = e.merchant_id
          WHERE e.xid >= mark.settled_upto AND e.xid < mark.next_upto AND p.balance_after IS NULL) m
    LEFT JOIN LATERAL (SELECT k.at, k.balance FROM ledger_checkpoint k
                       WHERE k.account_id = m.account_id ORDER BY k.at DESC LIMIT 1) c ON true
    CROSS JOIN LATERAL (SELECT sum(p.amount)::bigint AS amount, count(*) AS postings FROM ledger_posting p
                        WHERE p.account_id = m.account_id AND p.recorded_at <= mark.next_at
                          AND p.recorded_at > coalesce(c.at, '-infinity')) s
    WHERE s.postings >= every_postings;
    -- The moment first, then the snapshot: whoever gets a number at or past it is later.
    mark.settled_at := mark.next_at;
    mark.settled_upto := mark.next_upto;
    mark.next_at := clock_timestamp();
    UPDATE ledger_mark SET settled_at = mark.settled_at, settled_upto = mark.settled_upto, next_at = mark.next_at
    WHERE name = 'balances';
    UPDATE ledger_mark SET next_upto = pg_snapshot_xmax(pg_current_snapshot()) WHERE name = 'balances';
    RETURN written;
END $$;

-- An account's balance as it was recorded at a moment. Strict: what its last posting left. Deferred: the checkpoint
-- before and what came after it. What an archived month carried forward counts as recorded at the month's end.
CREATE FUNCTION ledger_balance_recorded(account bigint, merchant uuid, deferred boolean, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    found bigint;
    base record;
BEGIN
    IF NOT deferred THEN
        SELECT p.balance_after INTO found FROM ledger_posting p
        WHERE p.account_id = account AND p.merchant_id = merchant AND p.recorded_at <= moment
        ORDER BY p.recorded_at DESC, p.entry_id DESC, p.line DESC LIMIT 1;
        RETURN coalesce(found, 0);
    END IF;
    SELECT c.at, c.balance INTO base FROM ledger_checkpoint c
    WHERE c.account_id = account AND c.merchant_id = merchant AND c.at <= moment ORDER BY c.at DESC LIMIT 1;
    SELECT coalesce(sum(p.amount), 0)::bigint INTO found FROM ledger_posting p
    WHERE p.account_id = account AND p.merchant_id = merchant AND p.recorded_at <= moment
      AND p.recorded_at > coalesce(base.at, '-infinity');
    RETURN coalesce(base.balance, 0) + found;
END $$;

-- An account's balance by what was in effect at a moment, as known now: whole days, whole hours of its day, then the
-- postings of the rest; and those recorded since the settled mark, which are in no period yet.
CREATE FUNCTION ledger_balance_effective(account bigint, merchant uuid, deferred boolean, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    mark ledger_mark;
    narrow text := CASE WHEN deferred THEN 'hour' ELSE 'day' END;
    day timestamptz := date_trunc('day', moment, 'UTC');
    part timestamptz := date_trunc(narrow, moment, 'UTC');
    whole bigint;
    rest bigint;
    latest bigint;
    bounds record;
BEGIN
    SELECT * INTO mark FROM ledger_mark WHERE name = 'balances';
    SELECT coalesce(sum(t.amount), 0)::bigint INTO whole FROM ledger_period t
    WHERE t.account_id = account AND t.merchant_id = merchant
      AND ((t.width = 'day' AND t.begins < day) OR (t.width = 'hour' AND t.begins >= day AND t.begins < part));
    SELECT t.recorded_from, t.recorded_to INTO bounds FROM ledger_period t
    WHERE t.account_id = account AND t.merchant_id = merchant AND t.width = narrow AND t.begins = part;
    SELECT coalesce(sum(p.amount), 0)::bigint INTO rest
    FROM ledger_posting p JOIN ledger_entry e ON e.id = p.entry_id AND e.merchant_id = p.merchant_id
    WHERE p.account_id = account AND p.merchant_id = merchant AND p.recorded_at >= bounds.recorded_from
      AND p.recorded_at <= bounds.recorded_to AND p.xid < mark.settled_upto
      AND e.occurred_at >= part AND e.occurred_at <= moment;
    SELECT coalesce(sum(p.amount), 0)::bigint INTO latest
    FROM ledger_posting p JOIN ledger_entry e ON e.id = p.entry_id AND e.merchant_id = p.merchant_id
    WHERE p.account_id = account AND p.merchant_id = merchant AND p.recorded_at > mark.settled_at
      AND p.xid >= mark.settled_upto AND e.occurred_at <= moment;
    RETURN whole + rest + latest;
END $$;
