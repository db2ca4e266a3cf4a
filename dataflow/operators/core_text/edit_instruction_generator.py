"""The operator that looks at pictures and writes edit instructions for them."""

from collections.abc import Sequence

from dataflow.core.columns import picture_paths
from dataflow.core.records import Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.choice import Chosen, choose
from dataflow.operators.core_text.wording import instruction_columns, operation_columns
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import LANGUAGES, Taxonomy, check_languages, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class EditInstructionGenerator(GeneratorOperator):
    """Looks at the first picture of each row and writes edit instructions for it.

    The model is offered six operations, which are drawn by the shares of the taxonomy, and chooses the one that suits
    the picture best. Not every picture suits every operation, so the rows follow the shares but do not meet them
    exactly.

    - Rows in: a column of pictures.
    - Rows out: `per_image` rows for each row in, or fewer if an instruction was refused or unfit. Each row keeps its
      columns and gets `conversations` (the instruction to edit by), `instructions` (each language, short and long),
      `language`, `description`, `targets`, `edit_type` and `sub_type`; earlier values of these columns are replaced.

    Args:
        vlm_serving: a vision-language model that looks and writes.
        taxonomy: the operations; None: the shipped taxonomy.
        languages: "en", "zh" or both; every instruction is written in each.
        per_image: rows for each picture, from 1, each of another operation.
        seed: another seed offers other operations.
        save_interval: number of answers after which the journal is flushed to the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; the message names it.
    """

    description = "Looks at pictures and writes edit instructions."
    description_zh = "看图撰写编辑指令。"

    def __init__(
        self,
        vlm_serving: Worker,
        taxonomy: Taxonomy | None = None,
        *,
        languages: Sequence[str] = LANGUAGES,
        per_image: int = 1,
        seed: int = 0,
        save_interval: int = 64,
    ) -> None:
        if per_image < 1:
            raise ConfigError(f"per_image is {per_image}: give the number of rows per picture")
        super().__init__({"writer": vlm_serving}, save_interval=save_interval)
        self.taxonomy = taxonomy or shipped_taxonomy()
        self.languages = check_languages(languages)
        self.per_image, self.seed = per_image, seed

    def run(
        self,
        storage: FileStorage | Step,
        *,
        input_image_key: str = "images",
        output_conversation_key: str = "conversations",
        overwrite: bool = False,
        retry_rejected: bool = False,
    ) -> Summary:
        """Write instructions for every row of the step; a row without a fit answer is a failed row.

        Args:
            storage: the step, from `storage.step()`.
            input_image_key: column with one path or a list of paths; the first picture counts.
            output_conversation_key: column that gets the instruction; a row with a value in it stays as it is.
            overwrite: also write for rows whose output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.

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
            inputs=input_image_key,
            outputs=output_conversation_key,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """Ask for `per_image` instructions, and return one row for each fit answer."""
        (images,) = columns.inputs
        picture = picture_paths(row[images], images)[0]
        draw = Draw(self.seed, columns.name_of(picture))
        chosen = yield from choose(picture, self.taxonomy, self.languages, draw, count=self.per_image)
        return [{**row, **self.written(each, columns.output)} for each in chosen]

    def written(self, chosen: Chosen, conversation: str) -> Row:
        """Return the columns of one chosen operation and its instruction."""
        instruction = instruction_columns(chosen.fields, chosen.brief, conversation, length=chosen.length)
        operation = operation_columns(self.taxonomy.operations[chosen.brief.operation])
        return {**instruction, "description": chosen.fields["description"], **operation}

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count one answer for each instruction, which is asked for at most twice."""
        return {"writer": (self.per_image, 2 * self.per_image)}
