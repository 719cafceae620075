"""The pieces of OpenAPI that calls are described with, and ingest's calls.

The API's calls are declared in their rooms; :mod:`api.openapi` makes one document of all.
"""
