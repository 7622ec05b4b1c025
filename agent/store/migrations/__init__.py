"""Numbered steps of the schema: ``NNNN_name.sql``, applied in order, each in one SQL transaction together with its row
in ``schema_version``. A released step never changes; what it made is proven by the databases in ``tests/migration``.
"""
