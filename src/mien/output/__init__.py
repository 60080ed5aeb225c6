"""Results as people and programs want them: terminal, files, pages, pictures."""
