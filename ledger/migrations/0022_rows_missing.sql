-- What the statement that writes calls when one of its writes met other rows than it should (ledger/writing.py): the
-- statement may be committed with the same message, so nobody outside could refuse it afterwards.
CREATE FUNCTION ledger_rows_missing(number int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a write met other rows than it should'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_rows_missing', DETAIL = number::text;
END $$;
