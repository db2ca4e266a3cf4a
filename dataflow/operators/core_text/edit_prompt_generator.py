"""The operator that writes descriptions of pictures and edit instructions by a taxonomy.

`wanted.py` holds which rows the user wants, `slots.py` decides which rows are written next,
`dataflow/taxonomy/brief.py` makes the prompt, and `dataflow/taxonomy/answers.py` checks the answer.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from dataflow.core.records import Request, Row
from dataflow.core.worker import Worker
from dataflow.flow.recipe import Expects
from dataflow.flow.summary import Summary
from dataflow.judging.together import Asking
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.asking import ask_twice
from dataflow.operators.core_text.slots import FAULT, Slots
from dataflow.operators.core_text.wanted import MAX_SIMILARITY, Wanted, shares_of
from dataflow.operators.core_text.wording import description_messages, instruction_columns, operation_columns
from dataflow.taxonomy.answers import read_answer
from dataflow.taxonomy.brief import write_prompt
from dataflow.taxonomy.taxonomy import LANGUAGES, Taxonomy, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class EditPromptGenerator(GeneratorOperator):
    """Writes descriptions of pictures to draw, and instructions to edit these pictures, by the shares of a taxonomy.

    - Rows in: none; this operator is the first step of a pipeline.
    - Rows out: `n` rows, or fewer if some slots had no fit answer in `tries` tries; these are failed rows. Each row
      gets `input_text` (one message for each picture to draw), `conversations` (the instruction to edit by),
      `instructions` (each language, short and long), `language`, `targets`, `edit_type` and `sub_type`; rows of several
      pictures also get `style` and `refer`.

    Args:
        llm_serving: a language model, or `TemplateWriter()` for templates.
        taxonomy: the operations; None: the shipped taxonomy.
        mix: operation or group → its part of the rows, in any unit; None: the shares of the taxonomy.
        languages: "en", "zh" or both; every instruction is written in each, and descriptions alternate between them.
        n: number of rows, from 1.
        seed: another seed makes other rows.
        tries: greatest number of tries of a row, from 1; each try asks once more if its answer has a fault.
        embedding_model: a model2vec model, by which rows that mean the same in other words are found and written
            again: a folder, or `owner/model` or `owner/model@revision` on the hub, which is downloaded. None: rows are
            compared by their words alone. Needs `pip install 'dataflow-mm[embeddings]'`.
        max_similarity: cosine, 0 to 1, at which two rows of one operation and language mean the same.
        save_interval: number of answers after which the journal is flushed to the disk at the latest.

    Attributes:
        several_pictures: True: all rows are of operations of several pictures.

    Raises:
        ConfigError: a setting is wrong; the message names it.
    """

    description = "Writes descriptions and edit instructions."
    description_zh = "按类别与配比撰写图片描述和编辑指令。"
    several_pictures = False

    def __init__(
        self,
        llm_serving: Worker,
        taxonomy: Taxonomy | None = None,
        *,
        mix: Mapping[str, float] | None = None,
        languages: Sequence[str] = LANGUAGES,
        n: int = 100,
        seed: int = 0,
        tries: int = 4,
        embedding_model: str | None = None,
        max_similarity: float = MAX_SIMILARITY,
        save_interval: int = 64,
    ) -> None:
        super().__init__({"writer": llm_serving}, save_interval=save_interval)
        taxonomy = taxonomy or shipped_taxonomy()
        shares = shares_of(taxonomy, mix, several=self.several_pictures)
        self.wanted = Wanted(taxonomy, shares, tuple(languages), n, seed, tries, embedding_model, max_similarity)

    def run(
        self,
        storage: FileStorage | Step,
        *,
        output_text_key: str = "input_text",
        output_conversation_key: str = "conversations",
        retry_rejected: bool = False,
    ) -> Summary:
        """Write the rows. A later run, also with a larger `n`, asks only what the journal does not hold.

        Args:
            storage: the step, from `storage.step()`: the first step of a `FileStorage` without
                `first_entry_file_name`.
            output_text_key: column that gets the descriptions, one message for each picture to draw.
            output_conversation_key: column that gets the instruction.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError: a setting, a column or the input file is wrong; nothing was spent.
            FatalAnswer: no request can succeed, for example because a key is wrong.
            MaxCostReached: `max_cost` leaves no room for the next request.
            NotStored: the disk is full or read-only.
            StepFailed: every row failed.
            Interrupted: a signal stopped the run.
        """
        step = storage.current if isinstance(storage, FileStorage) else storage
        written = output_text_key, output_conversation_key
        slots = Slots(self.wanted.limited(step.options.limit), written)
        return self.execute(step, outputs=written, retry_rejected=retry_rejected, source=slots)

    def steps(self, row: Row, columns: Columns) -> Asking[Sequence[Row]]:
        """Ask for one row, and once more if the answer has a fault."""
        (text, conversation), slot, brief = columns.outputs, row["slot"], row["brief"]
        operation = self.wanted.taxonomy.operations[brief.operation]
        prompt = write_prompt(brief, operation)
        request = Request(prompt, makes="text", repeat=slot.attempt, worker="writer", schema=brief.schema)
        fields, fault = yield from ask_twice(request, partial(read_answer, brief=brief))
        written = instruction_columns(fields, brief, conversation, length=slot.length(len(brief.languages)))
        return [{text: description_messages(fields, brief), **written, **operation_columns(operation), FAULT: fault}]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """Count one answer; at most two for each remaining try of the slot."""
        return {"writer": (1, 2 * (self.wanted.tries - row["slot"].attempt))}
