"""Single calls as lines of text and as JSON; knows no HTTP and no bcc."""
