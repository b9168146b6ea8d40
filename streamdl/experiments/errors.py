"""The one error that a user of the experiments is meant to read and act on."""


class UsageError(ValueError):
    """A setting, folder or missing package that the user can put right; one line of text."""
