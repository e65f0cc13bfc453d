//! Cost-complexity pruning.

use super::tree::Tree;

/// The smallest subtree of least cost, which is the impurity of all leaves plus `alpha` for each (Breiman et al. 1984
/// s.3.3).
pub(super) fn prune(tree: &Tree, alpha: f64) -> Tree {
    let mut pruned = tree.clone();
    let all = f64::from(tree.nodes()[0].cover);
    // What the best subtree below each node saves over a leaf; children come after their parent.
    let mut savings = vec![0.0; tree.nodes().len()];
    for place in (0..savings.len()).rev() {
        let Some([left, right]) = tree.children(place) else { continue };
        let saved = f64::from(tree.nodes()[place].gain) / all - alpha + savings[left] + savings[right];
        if saved > 0.0 {
            savings[place] = saved;
        } else {
            pruned.collapse(place);
        }
    }
    pruned.compact()
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Branch, Division};
    use super::*;

    /// A root that gains 40 of 100, whose left child gains 2 and whose right child gains 10.
    fn tree() -> Tree {
        let mut tree = Tree::leaf(&[0.5], 100.0);
        let sides = || [(&[0.1][..], 50.0), (&[0.9][..], 50.0)];
        let branch = |gain, threshold| Branch {
            feature: 0,
            missing_left: true,
            cut: Division::AtMost(threshold),
            gain,
            sides: sides(),
        };
        let left = tree.split(0, branch(40.0, 5.0)).unwrap();
        tree.split(left, branch(2.0, 2.0)).unwrap();
        tree.split(left + 1, branch(10.0, 8.0)).unwrap();
        tree
    }

    #[test]
    fn a_split_goes_when_it_saves_less_than_its_leaf_costs() {
        let leaves = |alpha| prune(&tree(), alpha).leaves();
        assert_eq!([0.01, 0.03, 0.09, 0.11, 0.39, 0.41].map(leaves), [4, 3, 3, 2, 2, 1]);
    }
}
