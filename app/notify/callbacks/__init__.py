"""Answers as providers and chat services post them: each module proves who sent it and reads what was answered, and no more."""
