"""The two database roles of the house: the owner, who migrates, and the application, who owns nothing.

Embedded servers (config.servers) get both here, and a server that already stands gets the application's role
beside the role it was named with (tests). What the application may do is in `config.grants`.
"""

from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

OWNER: Final = "everycent_owner"
APPLICATION: Final = "everycent_app"

_MAKE_ROLE: Final = """
DO $$ BEGIN
    IF to_regrole({name}) IS NULL THEN
        BEGIN
            CREATE ROLE {role} LOGIN {rights};
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- another start was first
        END;
    END IF;
END $$"""

# What an earlier release made as the superuser becomes the owner's. A column's sequence follows its table, an
# extension's members stay with the extension.
_ADOPT: Final = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN
        SELECT c.oid::regclass AS name FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
          AND c.relowner <> {owner}::regrole
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND (d.deptype = 'e' OR c.relkind = 'S' AND d.deptype IN ('a', 'i')))
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %I', one.name, {owner});
    END LOOP;
    FOR one IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proowner <> {owner}::regrole
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                          AND d.deptype = 'e')
    LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO %I', one.name, {owner});
    END LOOP;
END $$"""


def addresses(server: str) -> dict[str, str]:
    """Return the variables that name one embedded database for both roles; `server` is its address."""
    place = server.rpartition("@")[2]
    return {
        "DATABASE_URL": f"postgresql://{APPLICATION}@{place}",
        "MIGRATION_DATABASE_URL": f"postgresql://{OWNER}@{place}",
    }


def as_superuser(server: str) -> str:
    """Return the address of an embedded database as its superuser (measurements that change the server)."""
    return f"postgresql://postgres@{server.rpartition('@')[2]}"


def establish(server: str) -> None:
    """Make both roles and the database on an embedded server, or adopt what an earlier start has left."""
    superuser = as_superuser(server)
    place, _, name = superuser.rpartition("/")
    with psycopg.connect(f"{place}/postgres", autocommit=True) as connection:
        _make(connection, OWNER, "CREATEDB")  # CREATEDB: the databases of tests are its own
        _make(connection, APPLICATION, "")
        found = connection.execute(
            "SELECT datdba = %s::regrole FROM pg_database WHERE datname = %s", [OWNER, name]
        ).fetchone()
        parts = {"name": sql.Identifier(name), "owner": sql.Identifier(OWNER)}
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {name} OWNER {owner}").format(**parts))
        elif not found[0]:
            connection.execute(sql.SQL("ALTER DATABASE {name} OWNER TO {owner}").format(**parts))
    with psycopg.connect(superuser) as connection:
        connection.execute(sql.SQL(_ADOPT).format(owner=sql.Literal(OWNER)))


def split(server: str) -> dict[str, str]:
    """Make the application's role on a server named by the address of one that may make roles (tests).

    Its password is its name: it is for a server that holds nothing but the databases of tests.

    :raises psycopg.Error: the role of the address may not make roles.
    """
    parts = urlsplit(server)
    with psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as connection:
        _make(connection, APPLICATION, f"PASSWORD '{APPLICATION}'")
    place = parts.netloc.rpartition("@")[2]
    application = parts._replace(netloc=f"{APPLICATION}:{APPLICATION}@{place}").geturl()
    return {"DATABASE_URL": application, "MIGRATION_DATABASE_URL": server}


def _make(connection: "psycopg.Connection[tuple[object, ...]]", role: str, rights: str) -> None:
    connection.execute(
        sql.SQL(_MAKE_ROLE).format(
            name=sql.Literal(role), role=sql.Identifier(role), rights=sql.SQL(rights)
        )
    )  # fmt: skip
