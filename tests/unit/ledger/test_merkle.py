"""Merkle trees as RFC 6962 has them: roots of its reference; subtrees that stand for what is not shown."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.merkle import Tree, cover, leaf_hash, node_hash

# The leaves and roots that Certificate Transparency's own tests use (RFC 6962, 2.1).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def tree_of(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree


def by_definition(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, 2.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


@pytest.mark.parametrize(("size", "root"), list(enumerate(ROOTS)))
def test_roots_are_those_of_the_reference(size, root):
    assert tree_of(LEAVES[:size]).root().hex() == root


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_a_tree_that_grows_is_the_tree_of_the_definition(leaves):
    assert tree_of(leaves).root() == by_definition(leaves)


@given(
    st.integers(0, 70).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(0, n - 1)), max_size=n))
    )
)
def test_shown_leaves_and_the_subtrees_between_them_make_the_same_root(drawn):
    size, shown = drawn
    leaves = [bytes([number]) for number in range(size)]
    shown = sorted(position for position in shown if position < size)
    tree = Tree()
    left_out = dict(cover(size, shown))
    while tree.size < size:
        if tree.size in left_out:
            width = left_out[tree.size]
            tree.add_subtree(width, by_definition(leaves[tree.size : tree.size + width]))
        else:
            assert tree.size in shown
            tree.add(leaves[tree.size])
    assert tree.root() == by_definition(leaves)


def test_a_subtree_stands_only_where_one_begins():
    tree = tree_of(LEAVES[:1])
    for size in (2, 3, 0):
        with pytest.raises(ValueError, match="no whole subtree"):
            tree.add_subtree(size, b"")


def test_few_hashes_stand_for_many_leaves():
    assert len(list(cover(1_000_000, [777_777]))) <= 2 * 20
