"""The commands of ``python -m growbuf``. ``import growbuf`` imports nothing from here."""
