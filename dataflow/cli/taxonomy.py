"""`dataflowmm taxonomy`: the kinds of edits and their shares, and a check of a user's own."""

import shutil
from itertools import groupby
from pathlib import Path

from dataflow.cli.streams import say
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.taxonomy.taxonomy import SHIPPED, Taxonomy, read_taxonomy


def show_taxonomy(path: Path | None, *, export: Path | None = None) -> None:
    """Print a taxonomy as a table, or write the shipped one to a file to be edited.

    Args:
        path: a user's own; None: the shipped one.
        export: where to write the shipped one; an existing file is kept.

    Raises:
        ConfigError: the file to write is there, or cannot be written.
        InputError: what is wrong in the file to read, with its line.
    """
    if export is not None:
        if export.exists():
            raise ConfigError(f"{export} is there already: choose another name")
        try:
            shutil.copyfile(SHIPPED, export)
        except OSError as error:
            raise ConfigError(f"{export} cannot be written: {error.strerror}") from None
        say(f"{export}: edit it, check it with `dataflowmm taxonomy {export}`, give it to read_taxonomy(...)")
        return
    taxonomy = read_taxonomy(path or SHIPPED)
    say("\n".join(table(taxonomy)))
    groups = len({each.group for each in taxonomy.operations.values()})
    said = f"{count_of(len(taxonomy.operations), 'operation')} in {count_of(groups, 'group')}"
    say(f"\n{said}: {path or SHIPPED}")


def table(taxonomy: Taxonomy) -> list[str]:
    """Lines of at most 80 columns; the Chinese name stands last, since its characters are two columns wide."""
    lines = [f"{'share %':>7}  {'operation':<24}{'pictures':<10}{'names a thing':<15}"]
    for group, members in groupby(taxonomy.operations.values(), key=lambda each: each.group):
        operations = list(members)
        lines.append(f"{sum(each.share for each in operations):7.1f}  {group:.60}")
        for each in operations:
            fewest, most = each.pictures
            pictures = str(fewest) if fewest == most else f"{fewest}-{most}"
            names = "yes" if each.names_target else "no"
            lines.append(f"{each.share:7.1f}    {each.name:<22.22}{pictures:<10}{names:<15}{each.zh:.10}")
    return lines
