"""The product watches itself: the auditor, the self-test, silence of sources, failing channels, the last resort, the heartbeat.

It reads what every other room wrote and repairs nothing: what it finds is told to people.
"""
