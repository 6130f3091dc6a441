"""A picture of the dashboard, drawn from its queries: `make dashboard-picture`."""
