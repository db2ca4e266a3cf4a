"""A taxonomy in; descriptions of pictures and instructions to edit them out.

Half of the file is what its arguments mean. `wanted.py` says which rows are wanted, `slots.py` which there are,
`dataflow/taxonomy/brief.py` what is asked, `dataflow/taxonomy/answers.py` what will do.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from dataflow.core.records import Request, Row
from dataflow.core.worker import Worker
from dataflow.flow.recipe import Expects
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.asking import Asking, ask_twice
from dataflow.operators.core_text.slots import FAULT, Slots
from dataflow.operators.core_text.wanted import MAX_SIMILARITY, Wanted, shares_of
from dataflow.operators.core_text.wording import classified, described, instructed
from dataflow.taxonomy.answers import read_answer
from dataflow.taxonomy.brief import write_prompt
from dataflow.taxonomy.taxonomy import LANGUAGES, Taxonomy, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step


class EditPromptGenerator(GeneratorOperator):
    """Writes rows to draw and to edit, from a taxonomy; it reads none, so it is a pipeline's first step.

    Args:
        llm_serving: what writes: a language model, or TemplateWriter() for templates.
        taxonomy: of edits; None: the shipped one.
        mix: operation or group → its part of the rows; None: the taxonomy's shares.
        languages: "en", "zh" or both; every row is instructed in each, descriptions take turns.
        n: rows wanted.
        seed: other rows for another one.
        tries: answers asked for per row at most; each may be put right once when it is faulty.
        embedding_model: also ask again for rows that mean the same in other words, as this model2vec model sees
            them: a folder, or `owner/model` or `owner/model@revision` on the hub, which is downloaded. None: only
            words are compared. Needs `pip install 'dataflow-mm[embeddings]'`.
        max_similarity: cosine from which rows of one operation and language mean the same.
        save_interval: answers after which the journal reaches the disk at the latest.

    Attributes:
        several_pictures: only operations of several pictures occur.

    Raises:
        ConfigError: a setting is wrong; says which.
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
        """Write the rows; what is journalled is not asked again, nor is it for a larger `n`.

        Args:
            storage: `storage.step()`, the first of a FileStorage without first_entry_file_name.
            output_text_key: column that gets a message per picture to draw.
            output_conversation_key: column that gets the instruction.
            retry_rejected: ask again what a provider refused in an earlier run.

        Raises:
            ConfigError, FatalAnswer, StepFailed, Interrupted: as `run_step` says.
        """
        step = storage.current if isinstance(storage, FileStorage) else storage
        written = output_text_key, output_conversation_key
        slots = Slots(self.wanted.limited(step.options.limit), written)
        return self.execute(step, outputs=written, retry_rejected=retry_rejected, source=slots)

    def steps(self, row: Row, columns: Columns) -> Asking[Sequence[Row]]:
        """Ask for one row, and once more if it will not do."""
        text, conversation = columns.outputs
        slot, brief = row["slot"], row["brief"]
        operation = self.wanted.taxonomy.operations[brief.operation]
        prompt = write_prompt(brief, operation)
        request = Request(prompt, makes="text", repeat=slot.attempt, worker="writer", schema=brief.schema)
        fields, fault = yield from ask_twice(request, partial(read_answer, brief=brief))
        written = instructed(fields, brief, conversation, length=slot.length(len(brief.languages)))
        return [{text: described(fields, brief), **written, **classified(operation), FAULT: fault}]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """One answer; at most all tries that are left, each put right once."""
        return {"writer": (1, 2 * (self.wanted.tries - row["slot"].attempt))}
