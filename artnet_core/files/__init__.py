"""Picture files: opened, decoded, their colours and words understood, and written."""
