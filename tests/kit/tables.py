"""A text is sought in every column of every table, for tests of what may stand nowhere."""

from django.db import connection
from psycopg import sql

# Months that left or were read back are the owner's alone; those that stand are of other tests.
_TABLES = """
    SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname !~ '_archived_[0-9]{6}$|^restored_'
    ORDER BY 1"""


def tables_with(*texts: str) -> list[str]:
    """Names of the tables of which some row holds one of the texts in any column."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        names = [name for (name,) in cursor.fetchall()]
        found = []
        for name in names:
            statement = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} t WHERE {})").format(
                sql.Identifier(name),
                sql.SQL(" OR ").join([sql.SQL("position(%s IN t::text) > 0")] * len(texts)),
            )
            cursor.execute(statement.as_string(None), list(texts))
            if cursor.fetchone()[0]:
                found.append(name)
    return found
