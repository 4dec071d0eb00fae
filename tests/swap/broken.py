"""GrowBuffers with one method wrong each: whoever lives on bytearray must notice."""

from growbuf import GrowBuffer


class Find(GrowBuffer):
    def find(self, *where):
        at = super().find(*where)
        return at + 1 if at > 0 else at


class Extended(GrowBuffer):
    def __iadd__(self, data):
        super().extend(bytes(data)[:-1])
        return self


class Deleted(GrowBuffer):
    def __delitem__(self, index):
        super().__delitem__(index)
        self.resize(max(len(self) - 1, 0))  # nothing grows for ever
