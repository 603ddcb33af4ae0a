"""Names of the exchange's rows as people read them."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0014_restored_columns'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='fxconversion',
            options={'verbose_name': 'FX conversion'},
        ),
        migrations.AlterModelOptions(
            name='fxexposure',
            options={'verbose_name': 'FX exposure'},
        ),
        migrations.AlterModelOptions(
            name='fxquote',
            options={'verbose_name': 'FX quote'},
        ),
        migrations.AlterModelOptions(
            name='fxspread',
            options={'verbose_name': 'FX spread'},
        ),
        migrations.AlterModelOptions(
            name='fxtablerate',
            options={'verbose_name': 'rate of finance', 'verbose_name_plural': 'rates of finance'},
        ),
        migrations.AlterModelOptions(
            name='fxunwind',
            options={'verbose_name': 'FX unwind'},
        ),
    ]
