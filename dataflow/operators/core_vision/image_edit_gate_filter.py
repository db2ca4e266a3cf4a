"""The operator that drops edits by measurements: nothing changed, or something changed that had to stay."""

from collections.abc import Mapping, Sequence

from dataflow.core.columns import mask_path, picture_paths
from dataflow.core.records import Answer, Request, Row, Side
from dataflow.core.worker import Worker
from dataflow.flow.summary import DROPPED, Summary
from dataflow.gates.limits import GateLimits, Gates
from dataflow.gates.measured import read_measures
from dataflow.operators.base import Columns, OneWaveOperator, dropped
from dataflow.serving.pixel_gauge import PixelGauge, gauging
from dataflow.taxonomy.taxonomy import Taxonomy
from dataflow.utils.storage import FileStorage, Step


class ImageEditGateFilter(OneWaveOperator):
    """Drops edits that changed nothing, or that changed what had to stay. No model is asked.

    The journal holds the measures and not the limits: a run with other limits measures nothing again.

    - Rows in: a column of source pictures and a column of edits.
    - Rows out: the rows with their edits that pass all gates.
    - Side output: `dropped` has the rows with their edits that do not pass, with the names of the gates as `reason`. A
      row with edits of both kinds stands in both files, with its own edits in each.

    Args:
        gauge: measures the pictures; None: `PixelGauge()`.
        taxonomy: says what an edit of each operation keeps; None: the shipped taxonomy.
        keeps: what an edit keeps whose operation is not in the taxonomy: "all", "rest", "layout", "scene", "shape" or
            "nothing" (docs/gates.md explains these words). None: "shape" for one source picture, "nothing" for several.
        limits: one of these words → the limits of edits that keep this; None: the shipped limits. A word that the
            mapping does not name has its shipped limits.
        save_interval: number of answers after which the journal is flushed to the disk at the latest.

    Raises:
        ConfigError: `keeps` or `limits` has another word.
    """

    description = "Drops edits that changed nothing, or what they had to keep."
    description_zh = "剔除没有变化、或改动了本应保留内容的编辑结果。"
    sides = (DROPPED,)

    def __init__(
        self,
        gauge: Worker | None = None,
        *,
        taxonomy: Taxonomy | None = None,
        keeps: str | None = None,
        limits: Mapping[str, GateLimits] | None = None,
        save_interval: int = 64,
    ) -> None:
        super().__init__({"gauge": gauge or PixelGauge()}, save_interval=save_interval)
        self.gates = Gates(taxonomy, keeps=keeps, limits=limits)

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        input_edited_image_key: str = "edited_images",
        input_operation_key: str = "sub_type",
        input_mask_key: str | None = None,
        retry_rejected: bool = False,
    ) -> Summary:
        """Keep or drop every edit of the step.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with the path, or a list of the paths, of the source pictures.
            input_edited_image_key: column with the path, or a list of the paths, of the edits.
            input_operation_key: column with the name of the operation in the taxonomy; rows may lack it.
            input_mask_key: column with the path of a mask for the first picture, white where the edit was allowed; a
                row may leave it empty. None: no row has a mask.
            retry_rejected: measure again what a gauge of your own refused in an earlier run.

        Raises:
            ConfigError: a setting, a column or the input file is wrong; nothing was spent.
            FatalAnswer: no request can succeed, for example because a key is wrong.
            MaxCostReached: `max_cost` leaves no room for the next request.
            NotStored: the disk is full or read-only.
            StepFailed: every row failed.
            Interrupted: a signal stopped the run.
        """
        return self.execute(
            storage,
            inputs=(input_image_key, input_edited_image_key),
            optional=input_mask_key or (),
            masked="gauge" if input_mask_key else (),
            labels=input_operation_key,
            retry_rejected=retry_rejected,
        )

    def plan(self, row: Row, columns: Columns) -> Sequence[Request]:
        """Ask one measurement of each edit."""
        images, edited = (picture_paths(row[name], name) for name in columns.inputs)
        mask = next((mask_path(row.get(column), column) for column in columns.optional), None)
        return [gauging(images, result, mask, worker="gauge") for result in edited]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row | Side]:
        """Return the row with the edits that pass, and a dropped row with the edits that do not."""
        images, results = (picture_paths(row[name], name) for name in columns.inputs)
        operation, edited = next((row.get(column) for column in columns.labels), None), columns.inputs[1]
        measured = [read_measures(answer.text) for answer in answers]
        reasons = [self.gates.failed(each, operation, pictures=len(images)) for each in measured]
        reason = ", ".join(dict.fromkeys(filter(None, reasons)))
        if all(reasons) or not reason:
            return [dropped(row, reason) if reason else row]
        passed = [path for path, gate in zip(results, reasons, strict=True) if not gate]
        failed = [path for path, gate in zip(results, reasons, strict=True) if gate]
        return [{**row, edited: passed}, dropped({**row, edited: failed}, reason)]
