"""What was said and done in chat, as the API tells of it."""
