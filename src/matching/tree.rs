//! An ordered index of one side's price levels: a B+ tree of ranks, the least rank first.
//!
//! A node is two cache lines, its 15 keys in the first and what they lead to in the second, so a step
//! costs little and a million levels take six. The nodes of all trees lie in one slab; never allocates.

use super::slab::Slab;

/// Where the levels of one side are, by rank.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// 0 = no levels.
    root: u32,
    /// Steps from the root to a leaf.
    height: usize,
}

/// A leaf, whose ranks lead to levels, or an inner node, whose ranks lead to nodes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Node {
    /// In their order; behind them [`UNUSED`]. In an inner node each is a lower bound of what lies below
    /// its child and above what lies below the child before; the first means nothing.
    ranks: [u32; RANKS_MAX],
    count: u32,
    children: [u32; RANKS_MAX],
    _padding: u32,
}

const _: () = assert!(size_of::<Node>() == 128);

/// Where a rank is in a tree, or would be: the place in each node from the root to the leaf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    steps: [(u32, u32); HEIGHT_MAX + 1],
}

/// No level has this rank.
pub(super) const UNUSED: u32 = u32::MAX;

const RANKS_MAX: usize = 15;
/// Every node but a root has at least so many.
const RANKS_MIN: usize = 5;
/// 5^10 is more than 2^22 nodes of a tree of 2^32 ranks could need, and then some.
const HEIGHT_MAX: usize = 13;
const NODES_OF_A_WAY: u32 = 14;

const _: () = assert!(NODES_OF_A_WAY as usize == HEIGHT_MAX + 1);

pub(super) type Nodes = Slab<Node>;

/// The most nodes of so many trees with so many ranks in all. A node has five ranks or is a root, a
/// fifth of the ranks lead to leaves, a fifth of those to nodes, and so on.
pub(super) const fn nodes_max(trees: u32, ranks: u32) -> u32 {
    ranks / 4 + trees * NODES_OF_A_WAY
}

impl Default for Node {
    fn default() -> Self {
        Self { ranks: [UNUSED; RANKS_MAX], count: 0, children: [0; RANKS_MAX], _padding: 0 }
    }
}

impl Tree {
    /// The level of `rank`, or the way to where it would be.
    pub(super) fn find(&self, nodes: &Nodes, rank: u32) -> Result<u32, Way> {
        let mut way = Way { steps: [(0, 0); HEIGHT_MAX + 1] };
        if self.root == 0 {
            return Err(way);
        }
        let mut at = self.root;
        for step in 0..self.height {
            let node = nodes.get(at);
            let place = node.below(rank);
            way.steps[step] = (at, place);
            at = node.children[place as usize];
        }
        let leaf = nodes.get(at);
        let place = leaf.up_to(rank);
        way.steps[self.height] = (at, place);
        if place > 0 && leaf.ranks[place as usize - 1] == rank {
            return Ok(leaf.children[place as usize - 1]);
        }
        Err(way)
    }

    /// The levels of the lowest ranks: one, if there is any, or some more.
    pub(super) fn first<'n>(&self, nodes: &'n Nodes) -> &'n [u32] {
        if self.root == 0 {
            return &[];
        }
        let leaf = (0..self.height).fold(self.root, |at, _| nodes.get(at).children[0]);
        let leaf = nodes.get(leaf);
        &leaf.children[..leaf.len()]
    }

    /// The levels in the order of their ranks.
    pub(super) fn iter(&self, nodes: &Nodes) -> impl Iterator<Item = u32> {
        let mut steps = [(0, 0); HEIGHT_MAX + 1];
        steps[0] = (self.root, 0);
        let mut depth = (self.root != 0).then_some(0);
        std::iter::from_fn(move || {
            while let Some(step) = depth {
                let (at, place) = &mut steps[step];
                let node = nodes.get(*at);
                let child = node.children.get(*place).filter(|_| *place < node.len());
                *place += 1;
                match child {
                    None => depth = step.checked_sub(1),
                    Some(&level) if step == self.height => return Some(level),
                    Some(&below) => {
                        steps[step + 1] = (below, 0);
                        depth = Some(step + 1);
                    }
                }
            }
            None
        })
    }

    /// Adds `rank` where [`Tree::find`] did not find it.
    pub(super) fn insert(&mut self, nodes: &mut Nodes, way: &Way, rank: u32, level: u32) {
        if self.root == 0 {
            let mut leaf = Node::default();
            leaf.insert(0, rank, level);
            self.root = make(nodes, leaf);
            return;
        }
        let (mut rank, mut child) = (rank, level);
        for step in (0..=self.height).rev() {
            let (at, place) = way.steps[step];
            // In an inner node behind the child that was split.
            let place = place as usize + usize::from(step != self.height);
            let node = nodes.get_mut(at);
            if node.len() < RANKS_MAX {
                node.insert(place, rank, child);
                return;
            }
            let mut right = node.split();
            if place <= node.len() {
                node.insert(place, rank, child);
            } else {
                right.insert(place - node.len(), rank, child);
            }
            (rank, child) = (right.ranks[0], make(nodes, right));
        }
        let mut root = Node::default();
        root.insert(0, 0, self.root);
        root.insert(1, rank, child);
        self.root = make(nodes, root);
        self.height += 1;
        assert!(self.height <= HEIGHT_MAX, "a tree {} high", self.height);
    }

    /// Takes `rank` out.
    ///
    /// # Panics
    /// If it is not there.
    pub(super) fn remove(&mut self, nodes: &mut Nodes, rank: u32) {
        let mut steps = [(0, 0); HEIGHT_MAX + 1];
        let mut at = self.root;
        for step in &mut steps[..self.height] {
            let node = nodes.get(at);
            let place = node.below(rank);
            *step = (at, place);
            at = node.children[place as usize];
        }
        let leaf = nodes.get_mut(at);
        let place = (leaf.up_to(rank) as usize).checked_sub(1);
        let place = place.filter(|&place| leaf.ranks[place] == rank);
        leaf.remove(place.expect("a level that is in the tree"));
        let mut left = leaf.len();
        for &(parent, place) in steps[..self.height].iter().rev() {
            if left >= RANKS_MIN {
                return;
            }
            mend(nodes, parent, place as usize);
            left = nodes.get(parent).len();
        }
        // The root: it may have one child, which then takes its place, or be an empty leaf.
        let root = *nodes.get(self.root);
        if self.height > 0 && root.len() == 1 {
            nodes.remove(self.root);
            self.root = root.children[0];
            self.height -= 1;
        } else if root.len() == 0 {
            nodes.remove(self.root);
            self.root = 0;
        }
    }
}

fn make(nodes: &mut Nodes, node: Node) -> u32 {
    nodes.insert(node).expect("as many nodes as the ranks can need")
}

/// Makes one of the child at `place`, which has too few ranks, and of a neighbour, or two of equal size.
fn mend(nodes: &mut Nodes, parent: u32, place: usize) {
    let above = nodes.get(parent);
    let first = place.min(above.len() - 2);
    let [left_at, right_at] = [above.children[first], above.children[first + 1]];
    let bound = above.ranks[first + 1];
    let mut left = *nodes.get(left_at);
    let mut right = *nodes.get(right_at);
    // Of a leaf it is not above its first rank, of an inner node the first means nothing.
    right.ranks[0] = if right.ranks[0] > bound { right.ranks[0] } else { bound };
    let total = left.len() + right.len();
    if total <= RANKS_MAX {
        left.append(&right, 0, right.len());
        *nodes.get_mut(left_at) = left;
        nodes.remove(right_at);
        nodes.get_mut(parent).remove(first + 1);
        return;
    }
    let half = total / 2;
    if left.len() < half {
        let moved = half - left.len();
        left.append(&right, 0, moved);
        let mut rest = Node::default();
        rest.append(&right, moved, right.len());
        right = rest;
    } else {
        let mut joined = Node::default();
        joined.append(&left, half, left.len());
        joined.append(&right, 0, right.len());
        left.truncate(half);
        right = joined;
    }
    nodes.get_mut(parent).ranks[first + 1] = right.ranks[0];
    *nodes.get_mut(left_at) = left;
    *nodes.get_mut(right_at) = right;
}

impl Node {
    const fn len(&self) -> usize {
        self.count as usize
    }

    /// How many ranks are at most `rank`. Looks at all of them, which is faster than to stop.
    fn up_to(&self, rank: u32) -> u32 {
        self.ranks.iter().map(|&other| u32::from(other <= rank)).sum()
    }

    /// The place of the child below which `rank` lies.
    fn below(&self, rank: u32) -> u32 {
        self.up_to(rank).max(1) - 1
    }

    fn insert(&mut self, place: usize, rank: u32, child: u32) {
        let len = self.len();
        self.ranks.copy_within(place..len, place + 1);
        self.children.copy_within(place..len, place + 1);
        self.ranks[place] = rank;
        self.children[place] = child;
        self.count += 1;
    }

    fn remove(&mut self, place: usize) {
        let len = self.len();
        self.ranks.copy_within(place + 1..len, place);
        self.children.copy_within(place + 1..len, place);
        self.truncate(len - 1);
    }

    fn truncate(&mut self, len: usize) {
        self.ranks[len..].fill(UNUSED);
        self.children[len..].fill(0);
        self.count = u32::try_from(len).expect("at most 15");
    }

    /// Adds places `from..to` of another node, which come behind all of this one.
    fn append(&mut self, other: &Self, from: usize, to: usize) {
        let (len, more) = (self.len(), to - from);
        self.ranks[len..len + more].copy_from_slice(&other.ranks[from..to]);
        self.children[len..len + more].copy_from_slice(&other.children[from..to]);
        self.count += u32::try_from(more).expect("at most 15");
    }

    /// Keeps the lower half and returns the upper.
    fn split(&mut self) -> Self {
        let half = self.len() / 2;
        let mut upper = Self::default();
        upper.append(self, half, self.len());
        self.truncate(half);
        upper
    }
}

#[cfg(test)]
impl Tree {
    /// Looks at every node: ranks in order and within their bounds, none too few, none too deep.
    pub(super) fn check(&self, nodes: &Nodes, levels: usize) {
        let found =
            if self.root == 0 { 0 } else { self.check_below(nodes, self.root, 0, 0..UNUSED) };
        assert_eq!(found, levels);
    }

    fn check_below(
        &self,
        nodes: &Nodes,
        at: u32,
        step: usize,
        bounds: std::ops::Range<u32>,
    ) -> usize {
        let node = nodes.get(at);
        let least = if step > 0 { RANKS_MIN } else { 1 + usize::from(self.height > 0) };
        assert!((least..=RANKS_MAX).contains(&node.len()), "{} ranks in a node", node.len());
        let (ranks, unused) = node.ranks.split_at(node.len());
        assert!(ranks.is_sorted() && unused.iter().all(|&rank| rank == UNUSED), "{ranks:?}");
        if step == self.height {
            assert!(ranks.iter().all(|rank| bounds.contains(rank)), "{ranks:?} in {bounds:?}");
            return ranks.len();
        }
        let below = (0..node.len()).map(|place| {
            let from = if place == 0 { bounds.start } else { ranks[place] };
            let to = ranks.get(place + 1).copied().unwrap_or(bounds.end);
            self.check_below(nodes, node.children[place], step + 1, from..to)
        });
        below.sum()
    }
}
