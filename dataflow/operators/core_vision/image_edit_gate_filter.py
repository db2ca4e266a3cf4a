"""Edits in, those out that pass the gates: something changed, and nothing that was to stay."""

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
    """Drops edits that changed nothing, or what they had to keep; measured without a model.

    The measures are journalled and the limits are not: other limits drop other rows and measure nothing again. Of a row
    with several results, those that pass go on and the others are dropped.

    Args:
        gauge: what measures; None: `PixelGauge()`.
        taxonomy: says what each operation keeps; None: the shipped one.
        keeps: what an edit keeps whose operation is not in the taxonomy, one of KEEPS; None: the shape of one picture,
            nothing of several.
        limits: by what is kept; what is not named keeps its own.
        save_interval: answers after which the journal reaches the disk at the latest.
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
            storage: `storage.step()`.
            input_image_key: column with one path or a list of paths: what was edited.
            input_edited_image_key: column with one path or a list of paths: the results.
            input_operation_key: column with the operation, by its name in the taxonomy; rows may lack it.
            input_mask_key: column with the path of a mask for the first picture: white where the edit was allowed. A
                row without a value there has none.
            retry_rejected: ask again what a gauge of your own refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
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
        """One request per result."""
        images, edited = (picture_paths(row[name], name) for name in columns.inputs)
        mask = next((mask_path(row.get(column), column) for column in columns.optional), None)
        return [gauging(images, result, mask, worker="gauge") for result in edited]

    def merge(self, row: Row, answers: Sequence[Answer], columns: Columns) -> Sequence[Row | Side]:
        """The row with the results that pass, and aside with those that do not."""
        images, results = (picture_paths(row[name], name) for name in columns.inputs)
        operation, edited = next((row.get(column) for column in columns.labels), None), columns.inputs[1]
        measured = [read_measures(answer.text) for answer in answers]
        reasons = [self.gates.failed(each, operation, pictures=len(images)) for each in measured]
        told = ", ".join(dict.fromkeys(filter(None, reasons)))
        if all(reasons) or not told:
            return [dropped(row, told) if told else row]
        judged = list(zip(results, reasons, strict=True))
        passed, others = ([path for path, reason in judged if bool(reason) is aside] for aside in (False, True))
        return [{**row, edited: passed}, dropped({**row, edited: others}, told)]
