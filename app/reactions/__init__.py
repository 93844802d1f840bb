"""What the service does by itself when something has happened: the reactions that `app.flow` lists, by theme.

A reaction runs in the transaction that marks its message handled and may only write rows; so it happens once.
"""
