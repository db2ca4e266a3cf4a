"""The operator that writes descriptions of several pictures, and an instruction that joins them in one picture."""

from dataflow.flow.summary import Summary
from dataflow.operators.core_text.edit_prompt_generator import EditPromptGenerator
from dataflow.utils.storage import FileStorage, Step


class MultiImagePromptGenerator(EditPromptGenerator):
    """Writes descriptions of 2 to 4 subjects, objects or scenes in one style, and an instruction that joins them.

    The instruction refers to its pictures by position ("the second image"), by label ("Image 2") or by what they show;
    each row uses one of these. Arguments and rows are those of `EditPromptGenerator`, and all rows are of operations
    of several pictures.
    """

    description = "Writes descriptions of several pictures and how they come together in one."
    description_zh = "撰写多张条件图的描述以及它们如何合成一张图。"
    several_pictures = True

    def run(
        self,
        storage: FileStorage | Step,
        *,
        output_text_key: str = "input_text",
        output_conversation_key: str = "output_img_discript",
        retry_rejected: bool = False,
    ) -> Summary:
        """Write the rows; the arguments and errors are those of `EditPromptGenerator.run`."""
        return super().run(
            storage,
            output_text_key=output_text_key,
            output_conversation_key=output_conversation_key,
            retry_rejected=retry_rejected,
        )
