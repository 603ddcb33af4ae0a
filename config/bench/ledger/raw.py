"""The references without laws, in schemas of their own beside the real tables.

`bench_raw` is the least that does the same durable work: the same tables with the same columns, indexes and
partitions (copied from the catalogue), and one function that inserts the same rows and updates the same two
balances in id order. `bench_lawless` is our own functions on such tables, with no trigger, no check and no
hash, and with the same upkeep of balances beside it: what laws and seals cost is the difference.
"""

from importlib.resources import files

import psycopg
from psycopg import Connection, sql

from config import database_roles
from config.bench.ledger.serving import Server

RAW = "bench_raw"
LAWLESS = "bench_lawless"
TABLES = ("ledger_account", "ledger_entry", "ledger_posting", "ledger_fact", "ledger_watermark")
KEPT_UP = ("ledger_mark", "ledger_checkpoint", "ledger_displaced")  # what balances of the past are read from
HASH = "ledger_content_hash"
FUNCTIONS = (
    HASH,
    "ledger_displaced_span",
    "ledger_post",
    "ledger_post_legs",
    "ledger_post_one",
    "ledger_refuse_accounts",
    "ledger_refuse_reversal",
    "ledger_roll",
    "ledger_settle_balances",
    "ledger_settle_displaced",
)


def build(server: Server) -> None:
    """Make both schemas, filled with what stands in the real tables, and gather statistics."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        for schema in (RAW, LAWLESS):
            name = sql.Identifier(schema)
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}").format(name))
            for table in TABLES + (KEPT_UP if schema == LAWLESS else ()):
                _copy_table(connection, schema, table)
        connection.execute((files(__package__) / "raw.sql").read_text(encoding="utf-8"))
        _copy_functions(connection)
        for schema in (RAW, LAWLESS):
            name = sql.Identifier(schema)
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(name))
            connection.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA {} TO PUBLIC").format(name))
        for schema in (RAW, LAWLESS):
            name, role = sql.Identifier(schema), sql.Identifier(database_roles.APPLICATION)
            connection.execute(
                sql.SQL(
                    "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT ALL ON ALL TABLES IN SCHEMA {0} TO {1};"
                    " GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {0} TO {1}"
                ).format(name, role)
            )
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _copy_table(connection: Connection, schema: str, table: str) -> None:
    target = sql.Identifier(schema, table)
    # Defaults, NOT NULL, identity and every index; not the CHECK constraints and triggers: these are laws.
    like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING CONSTRAINTS)").format(
        target, sql.Identifier("public", table)
    )
    options, key = connection.execute(
        """SELECT array_to_string(reloptions, ', '), pg_get_partkeydef(oid)
           FROM pg_class WHERE oid = %s::regclass""",
        [table],
    ).fetchone() or ("", None)
    if key:
        like += sql.SQL(" PARTITION BY ") + sql.SQL(key)
    elif options:
        like += sql.SQL(" WITH ({})").format(sql.SQL(options))
    connection.execute(like)
    for part, bound, options in connection.execute(
        """SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), array_to_string(c.reloptions, ', ')
           FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass""",
        [table],
    ).fetchall():
        statement = sql.SQL("CREATE TABLE {} PARTITION OF {} {}").format(
            sql.Identifier(schema, part), target, sql.SQL(bound)
        )
        if options:
            statement += sql.SQL(" WITH ({})").format(sql.SQL(options))
        connection.execute(statement)
    connection.execute(
        sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM {}").format(
            target, sql.Identifier("public", table)
        )
    )


def _copy_functions(connection: Connection) -> None:
    """Copy our functions so that they use the tables beside them; their hash returns at once."""
    names = connection.execute(
        """SELECT p.oid, p.proname FROM pg_proc p
           WHERE p.pronamespace = 'public'::regnamespace
             AND p.proname = ANY (%s) ORDER BY p.proname""",
        [list(FUNCTIONS)],
    ).fetchall()
    for oid, name in names:
        (text,) = connection.execute("SELECT pg_get_functiondef(%s)", [oid]).fetchone() or ("",)
        text = text.replace("public.", f"{LAWLESS}.")
        text = text.replace("'public'", f"'{LAWLESS}'")  # in its search_path
        if name == HASH:
            head = text[: text.index("AS $")]
            text = f"{head} AS $$ SELECT ''::bytea $$"
        connection.execute(text)
