"""What the fields of a foreign topic seem to hold, from their names and a sample of their values.

Pure: nothing of a value leaves this room but shares and kinds.
"""
