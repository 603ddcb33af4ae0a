-- Check constraints of rows that every payment writes, upheld by a trigger. PostgreSQL parses a check's stored text for each
-- statement that writes its table: thirty of them were a twelfth of a payment's time in the database. A trigger's function
-- is parsed once a session. The constraints stay in the catalogue as they were said, NOT ENFORCED, and the function is made
-- from their text: it refuses with their names, code and words, for whoever writes, COPY and replication too. Servers before
-- PostgreSQL 18 know no check that is not enforced: there the checks stay PostgreSQL's own, and no trigger is made.

-- A check's condition with its columns as the new row's (what stands in quotation marks is no column), and with the one
-- type of ours that PostgreSQL spells without its schema, so that no session's own type takes its place.
CREATE FUNCTION ledger_law_of_row(relation regclass, condition text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    made text := '';
    piece record;
    col record;
BEGIN
    FOR piece IN SELECT * FROM string_to_table(condition, '''') WITH ORDINALITY AS p (said, place) LOOP
        IF piece.place % 2 = 1 THEN
            FOR col IN SELECT a.attname AS name FROM pg_attribute a
                       WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped LOOP
                piece.said := CASE WHEN quote_ident(col.name) = col.name
                    THEN regexp_replace(piece.said, '(?<![.\w"])' || col.name || '(?![\w"])', 'NEW.' || col.name, 'g')
                    ELSE replace(piece.said, quote_ident(col.name), 'NEW.' || quote_ident(col.name)) END;
            END LOOP;
            piece.said := replace(piece.said, '::text', '::pg_catalog.text');
        END IF;
        made := made || CASE WHEN piece.place = 1 THEN '' ELSE '''' END || piece.said;
    END LOOP;
    RETURN made;
END $$;

-- The function's text for a table: one look in the common case; then which law it was, in the order of their names.
CREATE FUNCTION ledger_law_text(relation regclass) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format(E'BEGIN\n    IF (%s) IS NOT FALSE THEN\n        RETURN NEW;\n    END IF;\n%s    RETURN NEW;\nEND',
        string_agg(law, E'\n        AND ' ORDER BY conname),
        string_agg(format(
            E'    IF %s IS FALSE THEN\n        RAISE EXCEPTION %L\n            USING ERRCODE = ''23514'', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = %L;\n    END IF;\n',
            law, format('new row for relation "%s" violates check constraint "%s"', relation, conname), conname),
            '' ORDER BY conname))
    FROM (SELECT k.conname::text, ledger_law_of_row(relation, '(' || pg_get_expr(k.conbin, k.conrelid) || ')') AS law
          FROM pg_constraint k WHERE k.conrelid = relation AND k.contype = 'c') l
$$;

-- Has a table's checks upheld by its trigger `<table>_within`; call it again after a migration changed one of them.
CREATE FUNCTION ledger_uphold_by_trigger(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    within text := relation || '_within';  -- after its other triggers by name, so that it judges what is written
    law record;
BEGIN
    IF current_setting('server_version_num')::int < 180000 THEN
        RETURN;  -- every check is enforced there
    END IF;
    FOR law IN SELECT k.conname, pg_get_expr(k.conbin, k.conrelid) AS condition FROM pg_constraint k
               WHERE k.conrelid = relation AND k.contype = 'c' AND k.conenforced LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I CHECK (%s) NOT ENFORCED',
                       relation, law.conname, law.condition);
    END LOOP;
    EXECUTE format('CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql AS %L',
                   within, ledger_law_text(relation));
    EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %1$I()',
                   within, relation);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', relation, within);
END $$;

-- The way back: enforced by PostgreSQL itself.
CREATE FUNCTION ledger_uphold_by_check(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    law record;
BEGIN
    IF current_setting('server_version_num')::int < 180000 THEN
        RETURN;  -- every check is enforced there
    END IF;
    FOR law IN SELECT k.conname, pg_get_expr(k.conbin, k.conrelid) AS condition FROM pg_constraint k
               WHERE k.conrelid = relation AND k.contype = 'c' AND NOT k.conenforced LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I CHECK (%s)',
                       relation, law.conname, law.condition);
    END LOOP;
    EXECUTE format('DROP TRIGGER %I ON %s', relation || '_within', relation);
    EXECUTE format('DROP FUNCTION %I()', relation || '_within');
END $$;
