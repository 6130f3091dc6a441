"""The landing page: a summary of one scrape, rendered as HTML."""
