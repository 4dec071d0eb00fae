"""The command `python -m growbuf`; `import growbuf` loads nothing from here."""
