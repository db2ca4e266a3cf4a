"""A serving over an OpenAI-compatible or Gemini address: bytes out, bytes in, and what a reply means."""
