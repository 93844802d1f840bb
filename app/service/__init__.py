"""The service as a process: its health, its figures, its stream of changes, the problem pages. Knows every room, changes none."""
