"""A GrowBuffer with a wrong `find`: the tests of code that uses bytearray must fail."""

from growbuf import GrowBuffer


class Find(GrowBuffer):
    def find(self, *where):
        at = super().find(*where)
        return at + 1 if at > 0 else at
