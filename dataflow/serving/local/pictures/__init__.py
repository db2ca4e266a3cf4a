"""Diffusers pipelines that draw and edit."""
