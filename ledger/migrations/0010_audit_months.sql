-- The audit log in months, retention, legal holds and archives.

-- 1. Partitions are made beside their table and attached: that takes no lock that writers or readers wait for.
-- What waited in the default partition for its month moves home. The application calls this, the owner does it.
CREATE OR REPLACE FUNCTION ledger_make_partition(parent text, by_uuid boolean, month date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    name text := parent || to_char(month, '_YYYY_MM');
    other text := parent || '_other';
    key text;
    low text;
    high text;
    is_waited_for boolean;
BEGIN
    IF to_regclass(quote_ident(name)) IS NOT NULL THEN RETURN false; END IF;
    SELECT a.attname INTO key FROM pg_partitioned_table p
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = parent::regclass;
    low := ledger_month_bound(month, by_uuid);
    high := ledger_month_bound((month + interval '1 month')::date, by_uuid);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, parent);
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I >= %L AND %I < %L)', other, key, low, key, high)
        INTO is_waited_for;
    IF is_waited_for THEN
        EXECUTE format('ALTER TABLE %I DISABLE TRIGGER %I', other, parent || '_immutable');
        EXECUTE format('WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *)
                        INSERT INTO %I SELECT * FROM moved', other, key, low, key, high, name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', other, parent || '_immutable');
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, name, low, high);
    PERFORM ledger_guard_partition(name, parent);
    RETURN true;
END $$;

-- Where a month begins, as a partition key of either kind.
CREATE OR REPLACE FUNCTION ledger_month_bound(month date, by_uuid boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN by_uuid THEN ledger_uuid_at(month::timestamp AT TIME ZONE 'UTC')::text
                ELSE to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00' END
$$;

-- The months for which rows wait in a default partition: not before 2000 and not more than ten years ahead.
CREATE OR REPLACE FUNCTION ledger_months_waiting(parent text, by_uuid boolean) RETURNS SETOF date LANGUAGE plpgsql STABLE AS $$
DECLARE
    key text;
    moment text;
BEGIN
    SELECT a.attname INTO key FROM pg_partitioned_table p
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = parent::regclass;
    -- A version 7 UUID has 7 as its 13th digit and milliseconds in the 12 before it; others name no month.
    moment := CASE WHEN by_uuid THEN format('CASE WHEN substr(%1$I::text, 15, 1) = ''7'' THEN to_timestamp((''x'' ||
        substr(replace(%1$I::text, ''-'', ''''), 1, 12))::bit(48)::bigint / 1000.0) END', key)
        ELSE quote_ident(key) END;
    RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''month'', moment AT TIME ZONE ''UTC'')::date
        FROM (SELECT %s AS moment FROM %I) waiting
        WHERE moment >= ''2000-01-01'' AND moment < now() + interval ''10 years''', moment, parent || '_other');
END $$;

CREATE OR REPLACE FUNCTION ledger_make_partitions(ahead int, since timestamptz DEFAULT now()) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    kept record;
    wanted date;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger_make_partitions'));
    FOR kept IN SELECT * FROM ledger_partitioned ORDER BY name LOOP
        FOR wanted IN
            SELECT (date_trunc('month', since AT TIME ZONE 'UTC') + make_interval(months => m))::date
            FROM generate_series(0, ahead) m
            UNION SELECT ledger_months_waiting(kept.name, kept.by_uuid) ORDER BY 1
        LOOP
            made := made + ledger_make_partition(kept.name, kept.by_uuid, wanted)::int;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- How many months from `since` on, that month included, stand without a gap for each table.
CREATE OR REPLACE FUNCTION ledger_partitions_ahead(since timestamptz DEFAULT now()) RETURNS TABLE (name text, months int)
LANGUAGE sql STABLE AS $$
    SELECT t.name, (SELECT coalesce(min(m), 120) FROM generate_series(0, 120) m
        WHERE to_regclass(quote_ident(t.name || to_char(
            date_trunc('month', since AT TIME ZONE 'UTC') + make_interval(months => m), '_YYYY_MM'))) IS NULL)::int
    FROM ledger_partitioned t
$$;

-- 2. The audit log, by the month of `at`. `xid` is the writing transaction, for watermarks.
ALTER TABLE ledger_audit RENAME TO ledger_audit_whole;
CREATE TABLE ledger_audit (LIKE ledger_audit_whole INCLUDING DEFAULTS) PARTITION BY RANGE (at);
ALTER TABLE ledger_audit ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE TABLE ledger_audit_other PARTITION OF ledger_audit DEFAULT;
SELECT ledger_guard_partition('ledger_audit_other', 'ledger_audit');
INSERT INTO ledger_audit SELECT * FROM ledger_audit_whole;
DROP TABLE ledger_audit_whole;
-- Who searches names a period, an object, a person or a request; a merchant sees his own, newest first.
ALTER TABLE ledger_audit ADD CONSTRAINT ledger_audit_pkey PRIMARY KEY (id, at);
CREATE INDEX ledger_audit_by_merchant ON ledger_audit (merchant_id, id);
CREATE INDEX ledger_audit_by_object ON ledger_audit (object_id, at);
CREATE INDEX ledger_audit_by_actor ON ledger_audit (actor_id, at);
CREATE INDEX ledger_audit_by_request ON ledger_audit (request_id, at) WHERE request_id <> '';
SELECT ledger_guard_partition('ledger_audit', 'ledger_audit');
INSERT INTO ledger_partitioned VALUES ('ledger_audit', false);
SELECT ledger_make_partitions(12);
