"""The commands of ``python -m growbuf``. ``import growbuf`` does not import them."""
