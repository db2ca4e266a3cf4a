"""Learns from refusals in what way an address wants requests other than its format has them.

A refusal that names a field is answered within the same attempt: the request is sent once more without the field, or
with the field at the place that the refusal names. Later requests have that form from the start.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from dataflow.core.records import JSON, Job
from dataflow.serving.api.failures.attempts import Attempt, Target
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api.failures.fields import names_word, own_words, refused_fields
from dataflow.serving.dialects.narrow import as_dict
from dataflow.serving.dialects.reply import Post

ENGINE_FIELDS = "nvext"  # the object in which Dynamo wants what engines take beside OpenAI's fields
# The two names under which servers take the files of several input pictures.
_ARRAY, _REPEATED = "image[]", "image"
# Words that speak of the field `image`, and not of the picture in it.
_NAMES_IMAGE = re.compile(
    r"""['"`]image['"`\[]|\b(?:parameter|argument|field|property)s?:? image\b"""
    r"""|\bimage\W{0,3}(?:is |was |file |field )*(?:required|missing|not provided)"""
    r"""|\b(?:missing|no)\b[^.\n]{0,30}\bimage\b"""
)


class Quirks:
    """The form in which one address takes requests, as far as it is known by now.

    Args:
        engine_fields: the object into which a seed goes from the start; empty: a seed stands beside the other fields.

    Attributes:
        refused: names of the fields that the address does not take.
    """

    def __init__(self, engine_fields: str = "") -> None:
        self.refused: frozenset[str] = frozenset({"seed"} if engine_fields else ())
        self._engine_fields = engine_fields
        self._repeats_name = False  # whether the files of several inputs all have the name `image`, without brackets
        self._is_name_settled = False  # whether the address has taken several inputs, or refused both names

    def adapt_job(self, job: Job) -> Job:
        """The job as its dialect is to encode it: without a seed, where the address takes the seed elsewhere."""
        return replace(job, request=replace(job.request, seed=None)) if self._nests_seed(job) else job

    def adapt_extras(self, extras: Mapping[str, JSON], job: Job) -> dict[str, JSON]:
        """The fields that not every server knows, with the job's seed where the address takes it."""
        nested = self._engine_fields
        if not self._nests_seed(job) or nested in self.refused:
            return dict(extras)
        return {**extras, nested: {**as_dict(extras.get(nested)), "seed": job.seed}}

    def _nests_seed(self, job: Job) -> bool:
        return self._engine_fields != "" and job.request.makes == "image"

    def adapt_post(self, post: Post) -> Post:
        """The HTTP request with its input pictures under the field name that the address takes."""
        if not self._repeats_name:
            return post
        return replace(post, files=tuple((_REPEATED if f[0] == _ARRAY else f[0], *f[1:]) for f in post.files))

    def learn(self, received: Attempt, extras: Mapping[str, JSON], post: Post, job: Job, *, target: Target) -> str:
        """Learn from a reply how the address wants requests.

        Args:
            received: the reply.
            extras: the fields that not every server knows, as they were sent.
            post: the HTTP request that was sent.
            job: the job that it was made of.
            target: where it went.

        Returns:
            What is sent otherwise from now on, in words, so that the request is worth sending again; empty: the reply
            taught nothing, and is an answer or a failure.
        """
        if received.ending == "answered":
            self._is_name_settled = self._is_name_settled or len(post.files) > 1
            return ""
        if is_policy(received, target):
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
        """Try the other name for the files of several inputs, once; as `learn`."""
        if self._is_name_settled or not refused_fields(received.status, received.body, {_REPEATED}):
            return ""
        if not _NAMES_IMAGE.search(own_words(received.body).lower()):
            return ""
        if any(file[0] == _ARRAY for file in post.files):
            self._repeats_name = True
            return f"{_ARRAY} goes as {_REPEATED}"
        if self._repeats_name:  # the address refuses both names, so the name is not what is wrong
            self._repeats_name, self._is_name_settled = False, True
        return ""


def is_policy(received: Attempt, target: Target) -> bool:
    """Whether a refusal is one under a content policy: its words speak of the prompt and the picture, not of fields."""
    return received.status in (400, 422) and classify(received, target).kind == "refused"
