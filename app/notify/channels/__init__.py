"""One small class for each way out to a person; all are held to `tests/conformance/test_channels.py`."""
