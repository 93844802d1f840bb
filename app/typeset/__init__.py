"""Documents as PDF: what is said on them is handed over, how they look stands in one template.

Text reaches the template as data and is never read as markup. Drawing takes a thread and has an end.
"""
