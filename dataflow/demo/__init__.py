"""A small drawn world, with a model, a writer and a judge for it that need no key, no GPU and no download.

It lets a user see a pipeline work first, and lets tests check every picture exactly.
"""
