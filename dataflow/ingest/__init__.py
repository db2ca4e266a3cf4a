"""Imports folders, tables and archives as rows that operators read, and stores each picture once.

Each kind of source is one file; see `dataflow.ingest.sources`.
"""
