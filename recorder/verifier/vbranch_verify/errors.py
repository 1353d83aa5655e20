"""What every part of the verifier raises when something is not as the format says."""


class Wrong(Exception):
    """The bundle is not as docs/recording-format.md says. The text completes "<file> ..."."""
