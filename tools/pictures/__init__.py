"""Write the pictures of the dashboard and of the landing page for docs/."""
