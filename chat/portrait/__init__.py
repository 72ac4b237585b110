"""What is known of one viewer in one channel: for their page, its recap, its text and its pictures."""
