DROP FUNCTION ledger_make_partition, ledger_month_bound, ledger_months_waiting, ledger_partitions_ahead;
DELETE FROM ledger_partitioned WHERE name = 'ledger_audit';
ALTER TABLE ledger_audit RENAME TO ledger_audit_months;
CREATE TABLE ledger_audit (LIKE ledger_audit_months INCLUDING DEFAULTS);
INSERT INTO ledger_audit SELECT * FROM ledger_audit_months;
DROP TABLE ledger_audit_months;
ALTER TABLE ledger_audit DROP COLUMN xid, ADD CONSTRAINT ledger_audit_pkey PRIMARY KEY (id);
CREATE INDEX ledger_audit_by_object ON ledger_audit (object_type, object_id);
CREATE INDEX ledger_audit_by_time ON ledger_audit (at);
CREATE TRIGGER ledger_audit_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_audit
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_audit ENABLE ALWAYS TRIGGER ledger_audit_immutable;
