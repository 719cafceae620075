"""The dashboard: pages that read the API like everybody else, and the way in."""
