"""Names of one model, and of two."""

import pytest

from dataflow.core.model_names import is_same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "gpt-4o-2024-11-20"),
        ("gpt-4", "gpt-4-0613"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("GPT-4o ", "gpt-4o"),
        ("gemini-3.1-flash-image", "google/gemini-3.1-flash-image"),
        ("models/gemini-3.1-flash-image", "gemini-3.1-flash-image"),
        ("vertex_ai/gemini-2.0-flash", "publishers/google/models/gemini-2.0-flash-001"),
        ("gemini-2.5-flash-preview", "gemini-2.5-flash-preview-09-2025"),
        ("gemini-2.5-flash-preview", "gemini-2.5-flash-preview-05-20"),
        ("claude-opus-4-5", "claude-opus-4-5-20251101"),
        ("claude-opus-4-5@20251101", "claude-opus-4-5-20251101"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("mistral-small-latest", "mistral-small-2506"),
        ("doubao-seedream-4-0", "doubao-seedream-4-0-250828"),
        ("google/gemini-3-pro-image:free", "google/gemini-3-pro-image"),
        ("gemini-flash-latest", "gemini-2.5-flash-preview-09-2025"),
        ("gemini-flash-latest", "models/gemini-3-flash"),
        ("gemini-flash-lite-latest", "gemini-2.5-flash-lite"),
        ("claude-sonnet-4-0", "claude-sonnet-4-20250514"),
        ("claude-opus-4-0", "anthropic/claude-opus-4"),
        ("llama3", "llama3:latest"),
        ("Qwen/Qwen-Image-Edit-2511", "/models/Qwen-Image-Edit-2511"),
        ("Qwen/Qwen-Image-Edit-2511", "/models/Qwen-Image-Edit-2511/"),
        ("Qwen/Qwen-Image-Edit-2511", "/hub/models--Qwen--Qwen-Image-Edit-2511/snapshots/6f3ccc0b"),
        ("Qwen/Qwen-Image-Edit-2511", "/models/Qwen-Image-Edit-2511/snapshots/main/"),
        ("ft:gpt-4o-2024-08-06:us::x1", "ft:gpt-4o-2024-08-06:us::x1"),
    ],
)
def test_a_vendor_a_date_or_a_tag_makes_no_other_model(asked: str, answered: str) -> None:
    assert is_same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("gemini-2.5-flash", "gemini-3.5-flash-lite"),
        ("gemini-3.1-flash-image", "gemini-3.1-flash-image-preview"),
        ("gemini-2.5-flash-image-preview", "gemini-2.5-flash-image"),
        ("gemini-3-pro-image", "gemini-3.1-flash-image"),
        ("doubao-seedream-4-0", "doubao-seedream-4-5-251128"),
        ("Qwen/Qwen-Image-Edit", "Qwen/Qwen-Image-Edit-2511"),
        ("Qwen-Image-Edit-2509", "Qwen-Image-Edit-2511"),
        ("gemini-flash-latest", "gemini-2.5-flash-lite"),
        ("gemini-flash-latest", "gemini-2.5-flash-image"),
        ("gemini-flash-lite-latest", "gemini-2.5-flash"),
        ("claude-3-5-sonnet-latest", "claude-3-7-sonnet-20250219"),
        ("claude-sonnet-4-0", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-0", "claude-opus-4-20250514"),
        ("gemini-2.5-flash", "gemini-3-flash"),
        ("llama3:8b", "llama3:70b"),
        ("ft:gpt-4o:us::x1", "gpt-4o"),
        ("claude-opus-4-5", "claude-opus-4"),
        ("flux", "flux-2"),
        ("/models/a/", "/models/b/"),
        ("/hub/models--x--a/snapshots/main", "/hub/models--x--b/snapshots/main"),
    ],
)
def test_another_name_is_another_model(asked: str, answered: str) -> None:
    assert not is_same_model(asked, answered)
