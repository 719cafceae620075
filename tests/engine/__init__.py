"""`make test-engine`: the image and docker-compose.yml on a real Docker engine."""
