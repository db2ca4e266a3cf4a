"""SimpleTuner's Flow-DPO: the better edits as targets, the worse ones as their `reference_strict`, sources loose.

The distiller takes the first `reference_strict` of a batch for the worse edit, so no source may be one: what the edit
started from is `reference_loose`. A mask limits the loss to where the edit may change something.
"""

from dataflow.export.formats import Format, Output, Takes
from dataflow.export.formats.simpletuner import write as write_backends
from dataflow.export.records import Record
from dataflow.export.tree import LOSERS


def write(output: Output) -> str:
    """For each split the data backends of a configuration."""
    command = write_backends(output, strict=LOSERS)
    return f"{command} model_type=lora distillation_method=flow_dpo"


def refuses(record: Record) -> str:
    """Pairs of two shapes, which one crop cannot hold."""
    if all(loser.shape == record.edited.shape for loser in record.losers):
        return ""
    return "simpletuner-dpo takes two edits of one size, and these differ"


SIMPLETUNER_DPO = Format(
    "simpletuner-dpo",
    write,
    Takes(inputs=(1, 3), masks=True, one_ending=True),
    rows="pairs",
    refuses=refuses,
    about="SimpleTuner Flow-DPO: better and worse edits",
)
