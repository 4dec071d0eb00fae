"""A GrowBuffer whose `find` is wrong. Tests of other projects must fail with it."""

from growbuf import GrowBuffer


class Find(GrowBuffer):
    def find(self, *where):
        at = super().find(*where)
        return at + 1 if at > 0 else at
