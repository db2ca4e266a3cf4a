"""Asks a judge about edits and drawings, reads its answers, and decides by them which edits are accepted."""
