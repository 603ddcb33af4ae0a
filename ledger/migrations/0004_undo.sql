-- Back to whole tables; the functions of 0002 are made again by the migration.
DROP VIEW ledger_balance;
DROP TRIGGER ledger_account_identity ON ledger_account;
CREATE TRIGGER ledger_account_identity BEFORE UPDATE OR DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_account_identity();
DROP FUNCTION ledger_roll, ledger_post, ledger_post_one, ledger_refuse_reversal, ledger_refuse_accounts,
    ledger_make_partitions, ledger_guard_partition;
DROP TABLE ledger_watermark, ledger_partitioned;
CREATE TABLE whole_entry (LIKE ledger_entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
CREATE TABLE whole_posting (LIKE ledger_posting INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
CREATE TABLE whole_event (LIKE ledger_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
INSERT INTO whole_entry SELECT * FROM ledger_entry;
INSERT INTO whole_posting SELECT * FROM ledger_posting;
INSERT INTO whole_event SELECT * FROM ledger_event;
ALTER TABLE whole_posting DROP COLUMN recorded_at;
DROP TABLE ledger_fact, ledger_posting, ledger_entry, ledger_event;
DROP FUNCTION ledger_check_postings, ledger_uuid_at;
ALTER TABLE whole_entry RENAME TO ledger_entry;
ALTER TABLE whole_posting RENAME TO ledger_posting;
ALTER TABLE whole_event RENAME TO ledger_event;
ALTER TABLE ledger_entry ADD PRIMARY KEY (id),
    ADD CONSTRAINT ledger_entry_posts_once UNIQUE (source_type, source_id, step),
    ADD CONSTRAINT ledger_entry_reverses_id_key UNIQUE (reverses_id),
    ADD CONSTRAINT ledger_entry_reverses_id_e0cdc015_fk_ledger_entry_id
        FOREIGN KEY (reverses_id) REFERENCES ledger_entry DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ledger_posting ADD PRIMARY KEY (entry_id, line);
ALTER TABLE ledger_event ADD PRIMARY KEY (id),
    ADD CONSTRAINT ledger_event_one_per_sequence UNIQUE (subject_type, subject_id, sequence);
ALTER TABLE ledger_outbox ADD CONSTRAINT ledger_outbox_event_id_6d4aa5d1_fk_ledger_event_id
    FOREIGN KEY (event_id) REFERENCES ledger_event DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_pkey;
ALTER TABLE ledger_account ADD PRIMARY KEY (id);
CREATE INDEX ledger_entry_by_merchant ON ledger_entry (merchant_id, id);
CREATE INDEX ledger_event_by_merchant ON ledger_event (merchant_id, id);
CREATE INDEX ledger_posting_by_account ON ledger_posting (account_id, entry_id);
CREATE INDEX ledger_entry_by_transaction ON ledger_entry (xid);
CREATE INDEX ledger_event_by_transaction ON ledger_event (xid);
CREATE INDEX ledger_posting_tail ON ledger_posting (account_id, xid) INCLUDE (amount) WHERE balance_after IS NULL;
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_entry', 'ledger_posting', 'ledger_event'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', name || '_immutable', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, name || '_immutable');
    END LOOP;
END $$;
