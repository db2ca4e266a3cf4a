"""Real photographs in; instructions that fit them out."""

from collections.abc import Sequence

from dataflow.core.columns import picture_paths
from dataflow.core.records import Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.flow.recipe import Expects, Steps
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.choice import Chosen, choose
from dataflow.operators.core_text.wording import classified, instructed
from dataflow.taxonomy.draw import Draw
from dataflow.taxonomy.taxonomy import LANGUAGES, Taxonomy, check_languages, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class EditInstructionGenerator(GeneratorOperator):
    """Looks at each row's first picture and writes instructions for it.

    The model is offered six operations, drawn by the taxonomy's shares, and takes the one that fits best: not every
    picture can take every edit, so here the mix is only followed, not met.

    A row keeps its fields and gets the instruction, `instructions`, `language`, `description`, `targets`,
    `edit_type` and `sub_type`; fields of these names are written over.

    Args:
        vlm_serving: what looks and writes.
        taxonomy: of edits; None: the shipped one.
        languages: "en", "zh" or both; every row is instructed in each.
        per_image: rows per picture, each of another operation.
        seed: offers other operations for another one.
        save_interval: answers after which the journal reaches the disk at the latest.

    Raises:
        ConfigError: a setting is wrong; says which.
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
        """Write for every row of the step; a row for which no answer will do is a failed row.

        Args:
            storage: `storage.step()`.
            input_image_key: column with one path or a list of paths.
            output_conversation_key: column that gets the instruction.
            overwrite: write again although the output column has a value.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
        """
        return self.execute(
            storage,
            inputs=input_image_key,
            outputs=output_conversation_key,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
        )

    def steps(self, row: Row, columns: Columns) -> Steps:
        """A row for each instruction that came to something."""
        (images,) = columns.inputs
        picture = picture_paths(row[images], images)[0]
        draw = Draw(self.seed, columns.name_of(picture))
        chosen = yield from choose(picture, self.taxonomy, self.languages, draw, count=self.per_image)
        return [{**row, **self.written(each, columns.output)} for each in chosen]

    def written(self, chosen: Chosen, conversation: str) -> Row:
        """The columns of an edit that was chosen."""
        said = instructed(chosen.fields, chosen.brief, conversation, length=chosen.length)
        kind = classified(self.taxonomy.operations[chosen.brief.operation])
        return {**said, "description": chosen.fields["description"], **kind}

    def expects(self, row: Row, columns: Columns) -> Expects:
        """An answer per instruction, each put right at most once."""
        return {"writer": (self.per_image, 2 * self.per_image)}
