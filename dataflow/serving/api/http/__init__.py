"""Bytes over HTTP: connections, bodies, and pictures behind links."""
