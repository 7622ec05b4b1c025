"""Numbered steps of the schema: ``NNNN_name.sql``, applied in order, each in one SQL transaction with its version.

A statement ends its line. A released step never changes; what it made is proven by ``tests/migration/databases``.
"""
