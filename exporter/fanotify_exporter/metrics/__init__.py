"""Registry, exposition formats and content negotiation, for any metric families."""
