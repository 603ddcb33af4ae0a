-- The books in months (DESIGN 7, docs/scaling.md): entries and postings by the month in which they were written,
-- facts and events by the month in which their subject was born, so that a stream is never split.
-- All four keys begin with a version 7 UUID, whose first 48 bits are milliseconds: its ranges are ranges of time.
-- The merchant is in every key: the tables can be distributed by it.

DROP VIEW ledger_balance;
ALTER TABLE ledger_outbox DROP CONSTRAINT IF EXISTS ledger_outbox_event_id_fk;
DO $$
DECLARE found record;
BEGIN
    -- Foreign keys that point at what becomes partitioned; the law's triggers and the invariants stand for them.
    FOR found IN SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
                 WHERE contype = 'f' AND confrelid IN ('ledger_entry'::regclass, 'ledger_event'::regclass) LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.of_table, found.conname);
    END LOOP;
END $$;

-- 1. Accounts: held money, closing, and the merchant in the key.
ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_pkey;
ALTER TABLE ledger_account ADD PRIMARY KEY (id, merchant_id);

-- 2. The smallest version 7 UUID of a moment: where a month begins.
CREATE FUNCTION ledger_uuid_at(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- 3. The tables, partitioned; what was written so far moves over as it is.
ALTER TABLE ledger_entry RENAME TO ledger_entry_whole;
ALTER TABLE ledger_posting RENAME TO ledger_posting_whole;
ALTER TABLE ledger_event RENAME TO ledger_event_whole;
CREATE TABLE ledger_entry (LIKE ledger_entry_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (id);
CREATE TABLE ledger_posting (LIKE ledger_posting_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (entry_id);
ALTER TABLE ledger_posting ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE TABLE ledger_event (LIKE ledger_event_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (subject_id);
-- Every business fact that was posted, once: what one unique index did while the entries were one table.
CREATE TABLE ledger_fact (
    source_id uuid NOT NULL, source_type varchar(40) NOT NULL, step varchar(60) NOT NULL, merchant_id uuid NOT NULL,
    entry_id uuid NOT NULL
) PARTITION BY RANGE (source_id);

-- Which tables are partitioned by month, and by the clock in which of their columns.
CREATE TABLE ledger_partitioned (name text PRIMARY KEY, by_uuid boolean NOT NULL);
INSERT INTO ledger_partitioned VALUES
    ('ledger_entry', true), ('ledger_posting', true), ('ledger_event', true), ('ledger_fact', true);

-- A partition's own statement triggers: those of the parent do not fire for a statement that names the partition.
CREATE FUNCTION ledger_guard_partition(name text, parent text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', parent || '_immutable', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, parent || '_immutable');
    IF parent = 'ledger_posting' THEN
        EXECUTE format('CREATE TRIGGER ledger_posting_law AFTER INSERT ON %I REFERENCING NEW TABLE AS inserted
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_postings()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER ledger_posting_law', name);
    END IF;
END $$;

-- Make the partitions of the month of `since` and of so many months after it; those that stand are left alone.
CREATE FUNCTION ledger_make_partitions(ahead int, since timestamptz DEFAULT now()) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    kept record;
    low timestamptz;
    high timestamptz;
    name text;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger_make_partitions'));
    FOR kept IN SELECT * FROM ledger_partitioned LOOP
        FOR month IN 0 .. ahead LOOP
            low := (date_trunc('month', since AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
            high := (date_trunc('month', since AT TIME ZONE 'UTC') + make_interval(months => month + 1))
                    AT TIME ZONE 'UTC';
            name := kept.name || to_char(low AT TIME ZONE 'UTC', '_YYYY_MM');
            CONTINUE WHEN to_regclass(name) IS NOT NULL;
            IF kept.by_uuid THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                               name, kept.name, ledger_uuid_at(low), ledger_uuid_at(high));
            ELSE
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                               name, kept.name, low, high);
            END IF;
            PERFORM ledger_guard_partition(name, kept.name);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

DO $$
DECLARE parent text;
BEGIN
    -- Ids that are no version 7 UUIDs of a month that was made (a source of another system's making) have a place too.
    FOR parent IN SELECT name FROM ledger_partitioned LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', parent || '_other', parent);
        PERFORM ledger_guard_partition(parent || '_other', parent);
    END LOOP;
    PERFORM ledger_make_partitions(13, now() - interval '1 month');
END $$;

INSERT INTO ledger_entry SELECT * FROM ledger_entry_whole;
INSERT INTO ledger_event SELECT * FROM ledger_event_whole;
INSERT INTO ledger_fact (source_id, source_type, step, merchant_id, entry_id)
    SELECT source_id, source_type, step, merchant_id, id FROM ledger_entry_whole
    UNION ALL SELECT reverses_id, 'reversal', '', merchant_id, id FROM ledger_entry_whole
    WHERE reverses_id IS NOT NULL;
INSERT INTO ledger_posting SELECT p.*, e.recorded_at FROM ledger_posting_whole p
    JOIN ledger_entry_whole e ON e.id = p.entry_id;
DROP TABLE ledger_posting_whole, ledger_entry_whole, ledger_event_whole;

-- 4. Keys and indexes.
ALTER TABLE ledger_entry ADD PRIMARY KEY (id, merchant_id);
ALTER TABLE ledger_posting ADD PRIMARY KEY (entry_id, line, merchant_id);
ALTER TABLE ledger_fact ADD PRIMARY KEY (source_id, source_type, step, merchant_id);
ALTER TABLE ledger_event ADD PRIMARY KEY (id, subject_id, merchant_id);
ALTER TABLE ledger_event ADD CONSTRAINT ledger_event_one_per_sequence
    UNIQUE (subject_id, sequence, subject_type, merchant_id);
CREATE INDEX ledger_entry_by_merchant ON ledger_entry (merchant_id, id);
CREATE INDEX ledger_entry_by_transaction ON ledger_entry (xid);
CREATE INDEX ledger_event_by_merchant ON ledger_event (merchant_id, id);
CREATE INDEX ledger_event_by_transaction ON ledger_event (xid);
CREATE INDEX ledger_posting_by_account ON ledger_posting (account_id, recorded_at) INCLUDE (amount);
CREATE INDEX ledger_posting_tail ON ledger_posting (account_id, xid) INCLUDE (amount) WHERE balance_after IS NULL;

-- 5. The parents' own guards.
SELECT ledger_guard_partition(name, name) FROM ledger_partitioned;
