//! The arithmetic of a Merkle tree (RFC 6962 section 2.1) whose nodes lie somewhere else.
//!
//! Every node over a full range of leaves is kept, in the order in which appending completes them:
//! leaf 0, leaf 1, the node over both, leaf 2, and so on. A node's place follows from what it is
//! over, so proofs read a few dozen nodes of a tree of any size.

use crate::hash::Sha256;

/// Where nodes are.
pub(super) trait Nodes {
    /// Why one cannot be had.
    type Error;
    /// The node at a place.
    fn node(&self, place: u64) -> Result<Sha256, Self::Error>;
}

/// The hash of an entry.
pub(super) fn leaf(entry: &[u8]) -> Sha256 {
    Sha256::of_parts(&[&[0], entry])
}

fn parent(left: Sha256, right: Sha256) -> Sha256 {
    Sha256::of_parts(&[&[1], &left.0, &right.0])
}

/// The place of a leaf: before it are all leaves, and a node for every pair that is complete.
pub(super) fn leaf_place(index: u64) -> u64 {
    index.saturating_mul(2).saturating_sub(u64::from(index.count_ones()))
}

/// The place of the node over leaves `index << height` and so on, `1 << height` of them: behind the
/// last of these and the lower nodes that it completed.
fn place(height: u32, index: u64) -> u64 {
    let last = (index.saturating_add(1) << height).saturating_sub(1);
    leaf_place(last).saturating_add(u64::from(height))
}

/// The nodes that appending a leaf to a tree of `size` leaves makes, with their places.
pub(super) fn append<N: Nodes>(
    nodes: &N,
    size: u64,
    leaf: Sha256,
) -> Result<Vec<(u64, Sha256)>, N::Error> {
    let mut made = vec![(leaf_place(size), leaf)];
    let (mut hash, mut index, mut height) = (leaf, size, 0);
    while index & 1 == 1 {
        hash = parent(nodes.node(place(height, index - 1))?, hash);
        (index, height) = (index >> 1, height + 1);
        made.push((leaf_place(size).saturating_add(u64::from(height)), hash));
    }
    Ok(made)
}

/// The root over the first `size` leaves.
pub(super) fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Sha256, N::Error> {
    if size == 0 { Ok(Sha256::of(b"")) } else { range(nodes, 0, size) }
}

/// The audit path of a leaf, upwards (RFC 6962 section 2.1.1).
pub(super) fn inclusion<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Vec<Sha256>, N::Error> {
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range(nodes, middle, high)?);
            high = middle;
        } else {
            path.push(range(nodes, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the first `old` of `size` leaves are those of an older tree (section 2.1.2).
pub(super) fn consistency<N: Nodes>(
    nodes: &N,
    old: u64,
    size: u64,
) -> Result<Vec<Sha256>, N::Error> {
    let mut path = Vec::new();
    if old == 0 || old >= size {
        return Ok(path);
    }
    let (mut low, mut high, mut is_whole) = (0, size, true);
    while old < high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range(nodes, middle, high)?);
            high = middle;
        } else {
            path.push(range(nodes, low, middle)?);
            (low, is_whole) = (middle, false);
        }
    }
    if !is_whole {
        path.push(range(nodes, low, high)?);
    }
    path.reverse();
    Ok(path)
}

/// The hash over leaves from `low` to before `high`; `low` is where a split puts it.
fn range<N: Nodes>(nodes: &N, low: u64, high: u64) -> Result<Sha256, N::Error> {
    let len = high - low;
    if len.is_power_of_two() {
        let height = len.trailing_zeros();
        return nodes.node(place(height, low >> height));
    }
    let middle = low + split(len);
    Ok(parent(range(nodes, low, middle)?, range(nodes, middle, high)?))
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: u64) -> u64 {
    1 << (u64::BITS - 1 - (len - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use ct_merkle::{
        ConsistencyProof, InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree,
    };

    use super::*;

    impl Nodes for Vec<Sha256> {
        type Error = u64;

        fn node(&self, place: u64) -> Result<Sha256, u64> {
            self.get(place as usize).copied().ok_or(place)
        }
    }

    #[test]
    fn proofs_of_all_trees_up_to_a_size_are_those_of_another_implementation() {
        let mut nodes = Vec::new();
        let mut oracle = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        let mut roots = vec![];
        for size in 0..70_u64 {
            let entry = size.to_be_bytes().to_vec();
            for (place, hash) in append(&nodes, size, leaf(&entry)).unwrap() {
                assert_eq!(place, nodes.len() as u64, "nodes come in order");
                nodes.push(hash);
            }
            oracle.push(entry);
            let size = size + 1;
            let head = RootHash::<sha2::Sha256>::new(root(&nodes, size).unwrap().0.into(), size);
            assert_eq!(head.as_bytes(), oracle.root().as_bytes());
            let joined =
                |path: Vec<Sha256>| path.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
            for index in 0..size {
                let path = joined(inclusion(&nodes, index, size).unwrap());
                assert_eq!(path, oracle.prove_inclusion(index as usize).as_bytes());
                let path = InclusionProof::try_from_bytes(path).unwrap();
                head.verify_inclusion(&index.to_be_bytes().to_vec(), index, &path).unwrap();
            }
            for (old, root) in (1..).zip(&roots) {
                let path = joined(consistency(&nodes, old, size).unwrap());
                let path = ConsistencyProof::try_from_bytes(path).unwrap();
                head.verify_consistency(root, &path).unwrap();
            }
            roots.push(head);
        }
    }
}
