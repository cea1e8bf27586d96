//! An ordered map whose versions share structure: a B+ tree of reference-counted chunks.
//!
//! `clone` is one reference count. A change copies the chunks on the path to its key, and only
//! those that another version still holds: 100,000 entries differ from their predecessor by three
//! or four chunks. Iteration is in key order, so that nothing random leaks into records.
//!
//! Invariants: keys ascend; every chunk but an empty root holds 1 to [`CHUNK`] entries; a
//! separator is no greater than any key of its child, except the first of a node, which takes
//! whatever is smaller.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Most entries of a chunk: copying one must stay far below a microsecond-scale change.
const CHUNK: usize = 32;

/// Chunks that shrank below this are joined with a neighbour when both fit into one.
const SPARSE: usize = CHUNK / 4;

/// An ordered map; see the module's head. Two maps are equal if their entries are.
pub struct SharedMap<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    Inner(Vec<Child<K, V>>),
}

/// A node with its separator: no key of the node is below it, unless the node is a first child.
type Child<K, V> = (K, Arc<Node<K, V>>);

/// A node that was split off to the right of the one that overflowed.
type Split<K, V> = Option<Child<K, V>>;

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            len: self.len,
        }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self {
            root: Arc::new(Node::Leaf(Vec::new())),
            len: 0,
        }
    }
}

impl<K, V> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries in key order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        let mut iter = Iter::empty();
        iter.descend_first(&self.root);
        iter
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The value of `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let index = find(entries, key).ok()?;
                    return Some(&entries[index].1);
                }
                Node::Inner(children) => node = &children[child_for(children, key)].1,
            }
        }
    }

    /// Whether there is an entry of `key`.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get(key).is_some()
    }

    /// The entries from `key` on, in key order.
    pub fn iter_from<Q>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut iter = Iter::empty();
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let index = find(entries, key).unwrap_or_else(|index| index);
                    iter.leaf = entries[index..].iter();
                    return iter;
                }
                Node::Inner(children) => {
                    let index = child_for(children, key);
                    iter.path.push(children[index + 1..].iter());
                    node = &children[index].1;
                }
            }
        }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Sets the value of `key`, and returns the one that it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (previous, split) = insert(&mut self.root, key, value);
        if let Some((separator, right)) = split {
            let left = Arc::clone(&self.root);
            let smallest = first_key(&left).clone();
            self.root = Arc::new(Node::Inner(vec![(smallest, left), (separator, right)]));
        }
        if previous.is_none() {
            self.len += 1;
        }
        previous
    }

    /// Removes the entry of `key`, and returns its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        // Looks the key up first: removing a missing key must not copy a path.
        if !self.contains(key) {
            return None;
        }
        let removed = remove(&mut self.root, key);
        self.len -= 1;
        while let Node::Inner(children) = &*self.root {
            match children.as_slice() {
                [] => self.root = Arc::new(Node::Leaf(Vec::new())),
                [(_, only)] => self.root = Arc::clone(only),
                _ => break,
            }
        }
        removed
    }

    /// The value of `key`, to be changed in place. Chunks that other versions hold are copied.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        if !self.contains(key) {
            return None;
        }
        let mut node = Arc::make_mut(&mut self.root);
        loop {
            match node {
                Node::Leaf(entries) => {
                    let index = find(entries, key).ok()?;
                    return Some(&mut entries[index].1);
                }
                Node::Inner(children) => {
                    let index = child_for(children, key);
                    node = Arc::make_mut(&mut children[index].1);
                }
            }
        }
    }
}

fn find<K, V, Q>(entries: &[(K, V)], key: &Q) -> Result<usize, usize>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    entries.binary_search_by(|(candidate, _)| candidate.borrow().cmp(key))
}

/// The index of the child that holds `key` if any does: the last whose separator is not above the key.
fn child_for<K, V, Q>(children: &[Child<K, V>], key: &Q) -> usize
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    let after = children.partition_point(|(separator, _)| separator.borrow() <= key);
    after.saturating_sub(1)
}

fn first_key<K, V>(node: &Node<K, V>) -> &K {
    match node {
        Node::Leaf(entries) => &entries[0].0,
        Node::Inner(children) => &children[0].0,
    }
}

fn insert<K: Ord + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    key: K,
    value: V,
) -> (Option<V>, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match find(entries, &key) {
            Ok(index) => {
                let previous = std::mem::replace(&mut entries[index].1, value);
                (Some(previous), None)
            }
            Err(index) => {
                entries.insert(index, (key, value));
                let right = split(entries, index);
                (None, right.and_then(|right| split_off(Node::Leaf(right))))
            }
        },
        Node::Inner(children) => {
            let index = child_for(children, &key);
            let (previous, child_split) = insert(&mut children[index].1, key, value);
            let Some(right) = child_split else {
                return (previous, None);
            };
            children.insert(index + 1, right);
            let right = split(children, index + 1);
            (
                previous,
                right.and_then(|right| split_off(Node::Inner(right))),
            )
        }
    }
}

/// Splits an overfull chunk. Entries that arrive in order leave full chunks behind them, so that
/// the partitions of a new topic are packed densely.
fn split<K, T>(entries: &mut Vec<(K, T)>, inserted: usize) -> Option<Vec<(K, T)>> {
    if entries.len() <= CHUNK {
        return None;
    }
    let at = if inserted + 1 == entries.len() {
        inserted
    } else {
        entries.len() / 2
    };
    Some(entries.split_off(at))
}

/// Makes a node of the entries that were split off.
fn split_off<K: Clone, V>(right: Node<K, V>) -> Split<K, V> {
    Some((first_key(&right).clone(), Arc::new(right)))
}

fn remove<K: Ord + Clone + Borrow<Q>, V: Clone, Q: Ord + ?Sized>(
    node: &mut Arc<Node<K, V>>,
    key: &Q,
) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let index = find(entries, key).ok()?;
            Some(entries.remove(index).1)
        }
        Node::Inner(children) => {
            let index = child_for(children, key);
            let removed = remove(&mut children[index].1, key);
            tidy_child(children, index);
            removed
        }
    }
}

/// Drops a child that became empty, and joins a sparse one with a neighbour.
fn tidy_child<K: Clone, V: Clone>(children: &mut Vec<Child<K, V>>, index: usize) {
    let len = children[index].1.len();
    if len == 0 {
        children.remove(index);
        return;
    }
    if len >= SPARSE {
        return;
    }
    let left = if index > 0 { index - 1 } else { index };
    if left + 1 < children.len() && children[left].1.len() + children[left + 1].1.len() <= CHUNK {
        let (separator, right) = children.remove(left + 1);
        match (Arc::make_mut(&mut children[left].1), &*right) {
            (Node::Leaf(into), Node::Leaf(from)) => into.extend(from.iter().cloned()),
            (Node::Inner(into), Node::Inner(from)) => {
                // As it is no first child any more, it must not hold keys below its separator.
                into.push((separator, Arc::clone(&from[0].1)));
                into.extend(from[1..].iter().cloned());
            }
            _ => unreachable!("all leaves of a tree lie at one depth"),
        }
    }
}

impl<K, V> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.len(),
        }
    }
}

impl<K: Clone, V: Clone> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        // Copies a chunk with room for one more entry: it is copied because one is about to change or
        // arrive.
        fn copy<T: Clone>(entries: &[T]) -> Vec<T> {
            let mut copied = Vec::with_capacity((entries.len() + 1).min(CHUNK + 1));
            copied.extend_from_slice(entries);
            copied
        }
        match self {
            Self::Leaf(entries) => Self::Leaf(copy(entries)),
            Self::Inner(children) => Self::Inner(copy(children)),
        }
    }
}

/// The entries of a [`SharedMap`] in key order.
pub struct Iter<'a, K, V> {
    path: Vec<std::slice::Iter<'a, Child<K, V>>>,
    leaf: std::slice::Iter<'a, (K, V)>,
}

impl<'a, K, V> Iter<'a, K, V> {
    fn empty() -> Self {
        Self {
            path: Vec::new(),
            leaf: [].iter(),
        }
    }

    fn descend_first(&mut self, mut node: &'a Node<K, V>) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    self.leaf = entries.iter();
                    return;
                }
                Node::Inner(children) => {
                    let mut children = children.iter();
                    let Some((_, first)) = children.next() else {
                        return;
                    };
                    self.path.push(children);
                    node = first;
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.next() {
                return Some((key, value));
            }
            let next = self.path.last_mut()?.next();
            match next {
                Some((_, child)) => self.descend_first(child),
                None => {
                    self.path.pop();
                }
            }
        }
    }
}

impl<'a, K, V> IntoIterator for &'a SharedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
            || (self.len == other.len && self.iter().eq(other.iter()))
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
