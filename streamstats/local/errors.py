class LocalError(Exception):
    """Something on this machine that its user can put right; the message is one sentence that says how."""
