"""What the plan's check asks: one module per kind of question, each rule a function from a plan to findings.

Pure: a rule reads the document and nothing else. It must never mend, and never stop at the first it finds.
"""
