"""Share links: the numbers of the Live page for whoever has a link, until it ends."""
