-- Balances in effect at a moment, whose cost follows neither an account's history nor what others post.
--
-- Nearly every entry takes effect when it is recorded. What was in effect at M is then what was recorded before M, and
-- what is recorded around M is looked at one by one. An entry is *displaced* when the two moments lie more than half a
-- second apart or in two months (UTC; a month may be archived). Displaced postings alone are kept by either moment in
-- `ledger_displaced`: what was recorded before M and took effect later is taken off, what took effect before M and was
-- recorded later is added. So the timetable has nothing to write for an account that is posted to as things happen,
-- where it wrote a row of sums for each account's day.

-- Found without a look at what is not displaced. The same words stand wherever displaced entries are asked for.
CREATE INDEX ledger_entry_displaced ON ledger_entry (xid)
    WHERE recorded_at - occurred_at NOT BETWEEN interval '-500 milliseconds' AND interval '500 milliseconds'
       OR date_trunc('month', recorded_at AT TIME ZONE 'UTC') <> date_trunc('month', occurred_at AT TIME ZONE 'UTC');

-- Sums of spans of time, six widths, each a whole number of the next (32 days, 12 hours, 10 minutes, 5 seconds, 20
-- milliseconds, a moment). A span that holds few moments keeps them itself; when they become many, it keeps their sum
-- and they go to spans of the next width: a read adds up a few hundred rows at most, whatever there is.
CREATE TABLE ledger_displaced (
    account_id bigint NOT NULL, merchant_id uuid NOT NULL, clock text NOT NULL CHECK (clock IN ('occurred', 'recorded')),
    width smallint NOT NULL CHECK (width BETWEEN 1 AND 6), begins timestamptz NOT NULL, amount bigint NOT NULL,
    moments timestamptz[], amounts bigint[],
    PRIMARY KEY (account_id, clock, width, begins, merchant_id)
) WITH (fillfactor = 70);

CREATE FUNCTION ledger_displaced_span(width int, moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT date_bin((ARRAY['32 days', '12 hours', '10 minutes', '5 seconds', '20 milliseconds', '1 microsecond']::interval[])
                    [width], moment, '2000-01-01 00:00:00+00')
$$;

-- Take in the displaced postings of transactions in [since, upto); `few` moments are kept by a span itself.
CREATE FUNCTION ledger_settle_displaced(since xid8, upto xid8, few int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    accounts bigint[];
    merchants uuid[];
    clocks text[];
    moments timestamptz[];
    amounts bigint[];
    written bigint := 0;
BEGIN
    SELECT array_agg(d.account_id), array_agg(d.merchant_id), array_agg(d.clock), array_agg(d.at), array_agg(d.amount)
    INTO accounts, merchants, clocks, moments, amounts
    FROM (SELECT p.account_id, p.merchant_id, c.clock, c.at, sum(p.amount)::bigint AS amount
          FROM ledger_entry e JOIN ledger_posting p ON p.entry_id = e.id AND p.merchant_id = e.merchant_id
          CROSS JOIN LATERAL (VALUES ('occurred', e.occurred_at), ('recorded', p.recorded_at)) AS c (clock, at)
          WHERE e.xid >= since AND e.xid < upto
            AND (e.recorded_at - e.occurred_at NOT BETWEEN interval '-500 milliseconds' AND interval '500 milliseconds'
                 OR date_trunc('month', e.recorded_at AT TIME ZONE 'UTC')
                    <> date_trunc('month', e.occurred_at AT TIME ZONE 'UTC'))
          GROUP BY 1, 2, 3, 4) d;
    FOR level IN 1 .. 6 LOOP
        EXIT WHEN accounts IS NULL;
        written := written + cardinality(accounts);
        WITH moved AS MATERIALIZED (
            SELECT m.*, ledger_displaced_span(level, m.moment) AS begins
            FROM unnest(accounts, merchants, clocks, moments, amounts) AS m (account, merchant, clock, moment, amount)
        ), span AS (
            INSERT INTO ledger_displaced AS s (account_id, merchant_id, clock, width, begins, amount, moments, amounts)
            SELECT account, merchant, clock, level, begins, sum(amount)::bigint,
                   CASE WHEN level < 6 THEN array_agg(moment) END, CASE WHEN level < 6 THEN array_agg(amount) END
            FROM moved GROUP BY account, merchant, clock, begins ORDER BY account, clock, begins, merchant
            ON CONFLICT (account_id, clock, width, begins, merchant_id) DO UPDATE SET
                amount = s.amount + excluded.amount,
                moments = CASE WHEN s.moments IS NOT NULL THEN s.moments || excluded.moments END,
                amounts = CASE WHEN s.moments IS NOT NULL THEN s.amounts || excluded.amounts END
            RETURNING s.account_id, s.merchant_id, s.clock, s.begins, s.moments, s.amounts
        ), next_width AS (
            -- Into a span that has passed its moments on, only what is new; of one that has too many now, all.
            SELECT m.account, m.merchant, m.clock, m.moment, m.amount FROM moved m
            JOIN span s ON s.account_id = m.account AND s.merchant_id = m.merchant AND s.clock = m.clock
                       AND s.begins = m.begins AND s.moments IS NULL
            UNION ALL
            SELECT s.account_id, s.merchant_id, s.clock, h.moment, h.amount
            FROM span s, unnest(s.moments, s.amounts) AS h (moment, amount) WHERE cardinality(s.moments) > few
        )
        SELECT array_agg(n.account), array_agg(n.merchant), array_agg(n.clock), array_agg(n.moment), array_agg(n.amount)
        INTO accounts, merchants, clocks, moments, amounts FROM next_width n WHERE level < 6;
        UPDATE ledger_displaced s SET moments = NULL, amounts = NULL
        FROM (SELECT DISTINCT m.account, m.merchant, m.clock, ledger_displaced_span(level, m.moment) AS begins
              FROM unnest(accounts, merchants, clocks, moments) AS m (account, merchant, clock, moment)) k
        WHERE s.account_id = k.account AND s.merchant_id = k.merchant AND s.clock = k.clock AND s.width = level
          AND s.begins = k.begins AND s.moments IS NOT NULL;
    END LOOP;
    RETURN written;
END $$;

-- What is taken in of an account up to a moment by one of the clocks.
CREATE FUNCTION ledger_displaced_upto(account bigint, merchant uuid, which text, moment timestamptz)
RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(CASE
        WHEN s.begins < w.last THEN s.amount
        WHEN s.moments IS NOT NULL THEN
            (SELECT sum(h.amount) FROM unnest(s.moments, s.amounts) AS h (moment, amount) WHERE h.moment <= $4)
        WHEN s.width = 6 THEN s.amount
        END), 0)::bigint
    FROM (VALUES (1, '-infinity', ledger_displaced_span(1, $4)),
                 (2, ledger_displaced_span(1, $4), ledger_displaced_span(2, $4)),
                 (3, ledger_displaced_span(2, $4), ledger_displaced_span(3, $4)),
                 (4, ledger_displaced_span(3, $4), ledger_displaced_span(4, $4)),
                 (5, ledger_displaced_span(4, $4), ledger_displaced_span(5, $4)),
                 (6, ledger_displaced_span(5, $4), ledger_displaced_span(6, $4))) AS w (width, first, last)
    JOIN ledger_displaced s ON s.account_id = $1 AND s.merchant_id = $2 AND s.clock = $3
                           AND s.width = w.width AND s.begins >= w.first AND s.begins <= w.last
$$;

-- A balance by what was in effect at a moment, as known now. Its plans are kept: to join the months of two tables is
-- planned in milliseconds, and read in a twentieth of one.
CREATE OR REPLACE FUNCTION ledger_balance_effective(account bigint, merchant uuid, deferred boolean, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    settled xid8 := (SELECT m.settled_upto FROM ledger_mark m WHERE m.name = 'balances');
    last CONSTANT xid8 := '18446744073709551615';  -- a range of two ends is planned as one of few rows
    -- Whatever is not displaced and was recorded at or before this took effect at or before the moment (but for what was
    -- recorded in the month's first microsecond, which `around` sets right).
    known timestamptz := greatest(moment - interval '500 milliseconds', date_trunc('month', moment, 'UTC'));
    around bigint;
    latest bigint;
BEGIN
    -- Not joins, whose order the planner would choose: by the account's postings to their entries ...
    SELECT coalesce(sum(p.amount * ((e.occurred_at <= moment)::int - (p.recorded_at <= known)::int)), 0)::bigint
    INTO around
    FROM ledger_posting p CROSS JOIN LATERAL (
        SELECT e.occurred_at FROM ledger_entry e WHERE e.id = p.entry_id AND e.merchant_id = p.merchant_id
          AND NOT (e.recorded_at - e.occurred_at NOT BETWEEN interval '-500 milliseconds' AND interval '500 milliseconds'
                   OR date_trunc('month', e.recorded_at AT TIME ZONE 'UTC')
                      <> date_trunc('month', e.occurred_at AT TIME ZONE 'UTC'))
        OFFSET 0) e
    WHERE p.account_id = account AND p.merchant_id = merchant
      AND p.recorded_at >= known AND p.recorded_at <= moment + interval '500 milliseconds';
    -- ... and by the entries that are displaced, and not taken in yet, to the account's postings.
    SELECT coalesce(sum(p.amount * ((e.occurred_at <= moment)::int - (p.recorded_at <= known)::int)), 0)::bigint
    INTO latest
    FROM ledger_entry e CROSS JOIN LATERAL (
        SELECT p.amount, p.recorded_at FROM ledger_posting p
        WHERE p.entry_id = e.id AND p.merchant_id = e.merchant_id AND p.account_id = account
        OFFSET 0) p
    WHERE e.xid >= settled AND e.xid < last AND e.merchant_id = merchant
      AND (e.recorded_at - e.occurred_at NOT BETWEEN interval '-500 milliseconds' AND interval '500 milliseconds'
           OR date_trunc('month', e.recorded_at AT TIME ZONE 'UTC')
              <> date_trunc('month', e.occurred_at AT TIME ZONE 'UTC'));
    RETURN ledger_balance_recorded(account, merchant, deferred, known) + around + latest
         + ledger_displaced_upto(account, merchant, 'occurred', moment)
         - ledger_displaced_upto(account, merchant, 'recorded', known);
END $$;

-- Settle the mark when it can be: take in what was displaced, checkpoint the deferred accounts that have moved (at about
-- every hundredth posting, however many came in one pass), and set the next mark.
DROP FUNCTION ledger_settle_balances;
CREATE FUNCTION ledger_settle_balances(every_postings int DEFAULT 100, few int DEFAULT 100) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    mark ledger_mark;
    written bigint;
    displaced bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_settle_balances')) THEN RETURN 0; END IF;
    SELECT * INTO mark FROM ledger_mark WHERE name = 'balances' FOR UPDATE;
    IF pg_snapshot_xmin(pg_current_snapshot()) < mark.next_upto THEN RETURN 0; END IF;
    displaced := ledger_settle_displaced(mark.settled_upto, mark.next_upto, few);
    INSERT INTO ledger_checkpoint (account_id, merchant_id, at, balance)
    SELECT m.account_id, m.merchant_id, s.recorded_at, coalesce(c.balance, 0) + s.moved
    FROM (SELECT DISTINCT p.account_id, p.merchant_id
          FROM ledger_entry e JOIN ledger_posting p ON p.entry_id = e.id AND p.merchant_id = e.merchant_id
          WHERE e.xid >= mark.settled_upto AND e.xid < mark.next_upto AND p.balance_after IS NULL) m
    LEFT JOIN LATERAL (SELECT k.at, k.balance FROM ledger_checkpoint k
                       WHERE k.account_id = m.account_id AND k.merchant_id = m.merchant_id
                       ORDER BY k.at DESC LIMIT 1) c ON true
    -- Postings of one moment are before or after a checkpoint together.
    CROSS JOIN LATERAL (
        SELECT g.recorded_at, g.postings, (sum(g.amount) OVER so_far)::bigint AS moved,
               sum(g.postings) OVER so_far AS passed
        FROM (SELECT p.recorded_at, sum(p.amount) AS amount, count(*) AS postings FROM ledger_posting p
              WHERE p.account_id = m.account_id AND p.merchant_id = m.merchant_id
                AND p.recorded_at <= mark.next_at AND p.recorded_at > coalesce(c.at, '-infinity')
              GROUP BY p.recorded_at) g
        WINDOW so_far AS (ORDER BY g.recorded_at)
    ) s
    WHERE div(s.passed, every_postings) > div(s.passed - s.postings, every_postings);
    GET DIAGNOSTICS written = ROW_COUNT;
    -- The moment first, then the snapshot: whoever gets a number at or past it is later.
    mark.settled_at := mark.next_at;
    mark.settled_upto := mark.next_upto;
    mark.next_at := clock_timestamp();
    UPDATE ledger_mark SET settled_at = mark.settled_at, settled_upto = mark.settled_upto, next_at = mark.next_at
    WHERE name = 'balances';
    UPDATE ledger_mark SET next_upto = pg_snapshot_xmax(pg_current_snapshot()) WHERE name = 'balances';
    RETURN written + displaced;
END $$;

-- What was settled before.
SELECT ledger_settle_displaced('0', (SELECT settled_upto FROM ledger_mark WHERE name = 'balances'), 100);
DROP TABLE ledger_period;
