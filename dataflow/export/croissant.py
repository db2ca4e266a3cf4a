"""Describes the tables of an export in Croissant's JSON-LD, so that tools other than Hugging Face's can read them.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, version 1.0. A set of files without `containedIn`
lies beside the description, so the description names no place and stays true when the export is moved.
"""

from collections.abc import Iterator, Mapping, Sequence

from dataflow.core.records import JSON
from dataflow.export.columns import Kind, ListOf, Shape, Struct
from dataflow.export.parquet import Table

_TYPES: Mapping[Kind, str] = {
    "text": "sc:Text",
    "whole": "sc:Integer",
    "number": "sc:Float",
    "truth": "sc:Boolean",
    "image": "sc:ImageObject",
}
_CONTEXT: Mapping[str, JSON] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def describe_tables(name: str, tables: Sequence[Table], licences: Sequence[str]) -> dict[str, JSON]:
    """The content of `croissant.json`.

    Args:
        name: of the data set.
        tables: each with at least one file.
        licences: of the input pictures, as rows name them; empty: not known.
    """
    described: dict[str, JSON] = {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": "Edits of pictures with their instructions, made by machines; README.md tells how.",
    }
    if licences:
        described["license"] = list(licences)
    parts = [(table, split) for table in tables for split in table.files]
    described["distribution"] = [_files(table, split) for table, split in parts]
    described["recordSet"] = [_records(table, split) for table, split in parts]
    return described


def _files(table: Table, split: str) -> JSON:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table.name}_{split}_files",
        "encodingFormat": "application/x-parquet",
        "includes": f"{table.folder}/{split}-*.parquet",
    }


def _records(table: Table, split: str) -> JSON:
    name = f"{table.name}_{split}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "field": [
            described for column, shape in table.columns.fields.items() for described in _field(name, column, shape)
        ],
    }


def _field(records: str, column: str, shape: Shape) -> Iterator[JSON]:
    """The field of a column; nothing for a list of lists, which version 1.0 cannot express."""
    repeated = isinstance(shape, ListOf)
    inner = shape.of if isinstance(shape, ListOf) else shape
    described: dict[str, JSON] = {"@type": "cr:Field", "@id": f"{records}/{column}"}
    if repeated:
        described["repeated"] = True
    if isinstance(inner, Struct):
        described["subField"] = [
            _leaf(records, column, kind, key=name) for name, kind in inner.fields.items() if isinstance(kind, str)
        ]
        yield described
    elif isinstance(inner, str) and inner in _TYPES:
        yield described | _leaf(records, column, inner, key="bytes" if inner == "image" else "")


def _leaf(records: str, column: str, kind: Kind, *, key: str) -> dict[str, JSON]:
    """The part of a field that says which column a value comes from.

    Args:
        records: name of the set of records.
        column: of the table.
        kind: of the value.
        key: name of the value within a column of structs; empty: the column is the value.
    """
    source: dict[str, JSON] = {"fileSet": {"@id": f"{records}_files"}, "extract": {"column": column}}
    if key:
        source["transform"] = {"jsonPath": key}
    leaf: dict[str, JSON] = {"@type": "cr:Field", "@id": f"{records}/{column}/{key}"} if key and kind != "image" else {}
    return {**leaf, "dataType": _TYPES[kind], "source": source}
