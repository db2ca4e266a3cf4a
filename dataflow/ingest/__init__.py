"""Data that comes in: folders, tables and archives of others as rows that operators read, their pictures stored once.

A kind of source is one file, see `dataflow.ingest.sources`.
"""
