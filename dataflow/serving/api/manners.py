"""What an address wants otherwise than its format says, learnt from what it refuses.

A refusal that names a field is answered within the same attempt, by asking once more without the field, or with it
where the refusal wants it; the next requests are asked so from the start.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from dataflow.core.records import JSON, Job
from dataflow.serving.api.failures.attempts import Asked, Attempt
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api.failures.fields import names_word, own_words, refused_fields
from dataflow.serving.dialects.narrow import as_dict
from dataflow.serving.dialects.reply import Post

ENGINE_FIELDS = "nvext"  # where Dynamo wants what engines take beside OpenAI's fields
_ARRAY, _REPEATED = "image[]", "image"
# The field, and not the picture that a refusal speaks of.
_NAMES_IMAGE = re.compile(
    r"""['"`]image['"`\[]|\b(?:parameter|argument|field|property)s?:? image\b"""
    r"""|\bimage\W{0,3}(?:is |was |file |field )*(?:required|missing|not provided)"""
    r"""|\b(?:missing|no)\b[^.\n]{0,30}\bimage\b"""
)


class Manners:
    """How one address is asked from now on.

    Args:
        engine_fields: where a seed goes from the start; empty: beside the other fields.

    Attributes:
        refused: fields that it does not take.
    """

    def __init__(self, engine_fields: str = "") -> None:
        self.refused: frozenset[str] = frozenset({"seed"} if engine_fields else ())
        self._engine_fields = engine_fields
        self._repeats = False  # several inputs go as files of one name, without brackets
        self._settled = False  # whether they do

    def asked(self, job: Job) -> Job:
        """The job as its format is to write it: a seed that goes elsewhere is none of the request."""
        return replace(job, request=replace(job.request, seed=None)) if self._nests_seed(job) else job

    def extras(self, extras: Mapping[str, JSON], job: Job) -> dict[str, JSON]:
        """The fields that not every server knows, and a seed that goes elsewhere."""
        nested = self._engine_fields
        if not self._nests_seed(job) or nested in self.refused:
            return dict(extras)
        return {**extras, nested: {**as_dict(extras.get(nested)), "seed": job.seed}}

    def _nests_seed(self, job: Job) -> bool:
        return self._engine_fields != "" and job.request.makes == "image"

    def post(self, post: Post) -> Post:
        """The request with its inputs under the name that the address takes."""
        if not self._repeats:
            return post
        return replace(post, files=tuple((_REPEATED if f[0] == _ARRAY else f[0], *f[1:]) for f in post.files))

    def learn(self, received: Attempt, extras: Mapping[str, JSON], post: Post, job: Job, *, asked: Asked) -> str:
        """What is asked otherwise from now on, in words; empty: the reply is an answer, or a failure of its own.

        Args:
            received: the reply.
            extras: fields that not every server knows, as they were sent.
            post: what was sent.
            job: what was asked.
            asked: where, for what the refusal means.
        """
        if received.on == "answered":
            self._settled = self._settled or len(post.files) > 1
            return ""
        if is_policy(received, asked):
            return ""
        has_seed = "seed" in extras or (job.request.seed is not None and not self._nests_seed(job))
        refused = refused_fields(received.status, received.body, {*extras, *(("seed",) if has_seed else ())})
        if "seed" in refused and names_word(own_words(received.body), ENGINE_FIELDS):
            self._engine_fields = ENGINE_FIELDS
            self.refused |= {"seed"}
            return f"seed goes into {ENGINE_FIELDS}"
        if refused := refused & extras.keys():
            self.refused |= refused
            return f"{', '.join(sorted(refused))} left out"
        return self._learn_name(received, post)

    def _learn_name(self, received: Attempt, post: Post) -> str:
        """Whether the inputs are to be sent under the other name; which one is right is tried once."""
        if self._settled or not refused_fields(received.status, received.body, {_REPEATED}):
            return ""
        if not _NAMES_IMAGE.search(own_words(received.body).lower()):
            return ""
        if any(file[0] == _ARRAY for file in post.files):
            self._repeats = True
            return f"{_ARRAY} goes as {_REPEATED}"
        if self._repeats:  # it refuses both: the name is not what is wrong
            self._repeats, self._settled = False, True
        return ""


def is_policy(received: Attempt, asked: Asked) -> bool:
    """Whether a refusal is one of a content policy: its words speak of the prompt and the picture, not of fields."""
    return received.status in (400, 422) and classify(received, asked).kind == "refused"
