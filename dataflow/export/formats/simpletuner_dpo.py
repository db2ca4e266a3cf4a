"""SimpleTuner's Flow-DPO: better edits are targets, worse edits their `reference_strict`, and sources are loose.

The distiller takes the first `reference_strict` of a batch for the worse edit, so the source is a `reference_loose`. A
mask limits the loss to the pixels that the edit may change.
"""

from dataflow.export.formats import Format, Output, Takes
from dataflow.export.formats.simpletuner import write as write_backends
from dataflow.export.records import Record
from dataflow.export.tree import LOSERS


def write(output: Output) -> str:
    """Write `{split}.json`, the data backends of a configuration, for each split."""
    command = write_backends(output, strict=LOSERS)
    return f"{command} model_type=lora distillation_method=flow_dpo"


def refuses(record: Record) -> str:
    """Refuses a pair whose edits differ in size: the trainer crops both alike."""
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
