"""What the services share: the events and their codec, topics, tokens, problems and the SQL schema.

Nothing here knows a service; everything that two services must agree on is here.
"""
