"""Merkle tree hashing as RFC 6962 (Certificate Transparency) 2.1 defines it.

A leaf is hashed behind a zero byte and a node behind a one, so that neither can pass for the other. The tree
is built leaf by leaf in memory that grows with its height. `cover` says which whole subtrees stand for the
leaves that are not shown: one leaf can be proven without the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final

_TOGETHER: Final = 256  # leaves; a power of two


class Tree:
    """A tree that grows; a leaf, or a whole subtree by its hash, is added at its right end."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []  # whole subtrees from left to right, each half or less

    def add(self, leaf: bytes) -> None:
        """Add a leaf."""
        self.add_subtree(1, leaf_hash(leaf))

    def add_all(self, leaves: Sequence[bytes]) -> None:
        """Add leaves, many at a time where a whole subtree of them begins: half the time of one by one."""
        begin = 0
        while begin < len(leaves):
            if self.size % _TOGETHER or len(leaves) - begin < _TOGETHER:
                self.add(leaves[begin])
                begin += 1
                continue
            level = [leaf_hash(leaf) for leaf in leaves[begin : begin + _TOGETHER]]
            while len(level) > 1:
                level = list(map(node_hash, level[::2], level[1::2]))
            self.add_subtree(_TOGETHER, level[0])
            begin += _TOGETHER

    def add_subtree(self, size: int, found: bytes) -> None:
        """Add a whole subtree of `size` leaves, a power of two, where one may begin.

        :raises ValueError: no whole subtree of that size begins here.
        """
        if size < 1 or size & (size - 1) or self.size % size:
            raise ValueError(f"no whole subtree of {size} leaves begins after leaf {self.size}")
        self.size += size
        peaks = self._peaks
        while peaks and peaks[-1][0] == size:
            found = node_hash(peaks.pop()[1], found)
            size *= 2
        peaks.append((size, found))

    def root(self) -> bytes:
        """Return the Merkle tree hash of the leaves so far."""
        if not self._peaks:
            return sha256().digest()
        found = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            found = node_hash(left, found)
        return found


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, 2.1)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two subtrees (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def cover(size: int, shown: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return, as (begin, size) from left to right, the largest whole subtrees that hold no shown leaf.

    `shown` are positions in rising order. Each subtree can be added to a `Tree` where it begins.
    """
    begin = 0
    for position in (*shown, size):
        while begin < position:
            width = begin & -begin if begin else 1 << (position.bit_length() - 1)
            while begin + width > position:
                width //= 2
            yield begin, width
            begin += width
        begin = position + 1
