import pytest
from django.db import connection


@pytest.mark.django_db
def test_the_database_is_postgresql_18_or_the_one_named():
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 150000
