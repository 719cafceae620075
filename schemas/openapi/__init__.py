"""The OpenAPI of ingest and the API: what the services promise, in the form that programs read.

Written here and not made from handlers, because it is a promise to others: a test fails when a
route, a parameter, a limit or an answer disagrees with it.
"""
