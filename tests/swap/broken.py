"""A GrowBuffer with one method wrong: who lives on bytearray must notice."""

from growbuf import GrowBuffer


class Find(GrowBuffer):
    def find(self, *where):
        at = super().find(*where)
        return at + 1 if at > 0 else at
