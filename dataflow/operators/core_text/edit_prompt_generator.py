"""A taxonomy in; descriptions of pictures and instructions to edit them out.

Half of the file is what its arguments mean. Which rows there are is in `slots.py`, what is asked in
`dataflow/taxonomy/brief.py`, what will do in `dataflow/taxonomy/answers.py`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.core.records import Request, Row
from dataflow.core.worker import Worker
from dataflow.errors import ConfigError
from dataflow.flow.replay import Expects
from dataflow.flow.summary import Summary
from dataflow.operators.base import Columns, GeneratorOperator
from dataflow.operators.core_text.asking import Asking, ask_twice
from dataflow.operators.core_text.slots import FAULT, Slots
from dataflow.operators.core_text.wording import as_messages, described, instructed
from dataflow.taxonomy.answers import read_answer
from dataflow.taxonomy.brief import write_prompt
from dataflow.taxonomy.taxonomy import LANGUAGES, LENGTHS, Taxonomy, check_languages, shipped_taxonomy
from dataflow.utils.storage import FileStorage, Step

if TYPE_CHECKING:
    from dataflow.operators.core_text.diversity import Diversity

MAX_SIMILARITY = 0.9
"""Cosine from which rows mean the same. Source: the default of semhash, which finds duplicates by such vectors."""


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

    Raises:
        ConfigError: a setting is wrong; says which.
    """

    description = "Writes descriptions and edit instructions."
    description_zh = "按类别与配比撰写图片描述和编辑指令。"

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
        if n < 1 or tries < 1:
            raise ConfigError(f"n is {n} and tries is {tries}: both count from 1")
        if not 0 < max_similarity < 1:
            raise ConfigError(f"max_similarity is {max_similarity}: give a cosine between 0 and 1, such as 0.9")
        super().__init__({"writer": llm_serving}, save_interval=save_interval)
        self.taxonomy = taxonomy or shipped_taxonomy()
        self.shares = self.taxonomy.shares(self._kinds(mix))
        self.languages = check_languages(languages)
        self.n, self.seed, self.tries = n, seed, tries
        self.embedding_model, self.max_similarity = embedding_model, max_similarity

    def _kinds(self, mix: Mapping[str, float] | None) -> Mapping[str, float] | None:
        """The mix asked for; a subclass may have another default."""
        return mix

    def _diversity(self) -> "Diversity":
        from dataflow.operators.core_text.diversity import Diversity  # brings numpy, which help need not load

        if self.embedding_model is None:
            return Diversity()
        from dataflow.operators.core_text.embeddings import load_embedder

        examples = [self.taxonomy.operations[name].example for name in self.shares]
        samples = {
            language: [example[f"{length}_{language}"] for example in examples for length in LENGTHS]
            for language in self.languages
        }
        return Diversity(load_embedder(self.embedding_model, samples), max_similarity=self.max_similarity)

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
        limit = step.options.limit
        written = output_text_key, output_conversation_key
        return self.execute(
            step,
            outputs=written,
            retry_rejected=retry_rejected,
            source=Slots(
                self.taxonomy,
                self.shares,
                languages=self.languages,
                n=self.n if limit is None else min(self.n, limit),
                seed=self.seed,
                tries=self.tries,
                written=written,
                diversity=self._diversity(),
            ),
        )

    def steps(self, row: Row, columns: Columns) -> Asking[Sequence[Row]]:
        """Ask for one row, and once more if it will not do."""
        text, conversation = columns.outputs
        slot, brief = row["slot"], row["brief"]
        operation = self.taxonomy.operations[brief.operation]
        prompt = write_prompt(brief, operation)
        request = Request(prompt, makes="text", repeat=slot.attempt, worker="writer", schema=brief.schema)
        fields, fault = yield from ask_twice(request, lambda answer: read_answer(answer, brief))
        written = {
            text: as_messages(described(fields, brief)),
            **instructed(fields, brief, conversation, length=LENGTHS[1 - slot.turn // len(brief.languages) % 2]),
            "edit_type": operation.group,
            "sub_type": operation.name,
        }
        return [{**written, FAULT: fault}]

    def expects(self, row: Row, columns: Columns) -> Expects:
        """One answer; at most all tries that are left, each put right once."""
        return {"writer": (1, 2 * (self.tries - row["slot"].attempt))}
