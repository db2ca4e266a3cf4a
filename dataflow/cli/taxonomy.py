"""`dataflowmm taxonomy`: prints the kinds of edits and their shares, or checks a taxonomy of the user's own."""

import shutil
from itertools import groupby
from pathlib import Path

from dataflow.cli.streams import say
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.taxonomy.taxonomy import SHIPPED, Taxonomy, read_taxonomy


def show_taxonomy(path: Path | None, *, export: Path | None = None) -> None:
    """Print a taxonomy as a table, or write the shipped taxonomy into a file for the user to edit.

    Args:
        path: file of the user's taxonomy; None: the shipped taxonomy.
        export: file to write the shipped taxonomy to; None: print a table.

    Raises:
        ConfigError: `export` exists already, or cannot be written.
        InputError: the file at `path` is wrong; the message names the line.
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
    counts = f"{count_of(len(taxonomy.operations), 'operation')} in {count_of(groups, 'group')}"
    say(f"\n{counts}: {path or SHIPPED}")


def table(taxonomy: Taxonomy) -> list[str]:
    """The table of a taxonomy, in lines of at most 80 columns.

    The Chinese name stands last: its characters are two columns wide, and would shift the columns behind it.
    """
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
