//! What a recipe may say.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::space::{Dimension, Range, space};

/// How columns are turned into numbers; every estimator names the recipe that it wants.
///
/// ```
/// use model::{Categories, Missing, Recipe, Scaling};
/// let recipe: Recipe = serde_json::from_str(r#"{"logarithm": true, "scaling": "robust", "categories": "one-hot"}"#).unwrap();
/// assert_eq!((recipe.missing, recipe.scaling, recipe.categories), (Missing::Median, Scaling::Robust, Categories::OneHot));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// What becomes of missing numbers. Default median.
    pub missing: Missing,
    /// Numbers are replaced by sign(x) log(1 + |x|), which tames counts of bytes and packets. Default no.
    pub logarithm: bool,
    /// How numbers are shifted and scaled, after the logarithm. Default not at all.
    pub scaling: Scaling,
    /// Scaled values further from 0 than this are moved there, so that no single one decides a distance. Default 0, which
    /// stands for no limit.
    pub limit: u32,
    /// What becomes of names. Default ranks.
    pub categories: Categories,
    /// Names of fewer training rows than this are one and the same, and so is a name that training never saw. Default 1,
    /// which puts none together.
    pub rare: u32,
}

impl Recipe {
    /// What a search tries; the truth may be looked at where the method does.
    pub(crate) fn space(is_supervised: bool) -> Vec<Dimension> {
        let mut categories = vec!["ranks", "rarity", "one-hot"];
        if is_supervised {
            categories.push("target");
        }
        space([
            ("logarithm", Range::switch()),
            ("scaling", Range::words(&["none", "standard", "robust"])),
            ("categories", Range::words(&categories)),
            ("rare", Range::Choice(vec![json!(1), json!(5), json!(20)])),
        ])
    }
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            missing: Missing::Median,
            logarithm: false,
            scaling: Scaling::None,
            limit: 0,
            categories: Categories::Ranks,
            rare: 1,
        }
    }
}

/// What becomes of a missing number (NaN, or infinite). A missing name is one more name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// It becomes the median of the training rows, the lower of two; 0 where they had none.
    #[default]
    Median,
    /// It becomes the most frequent number of the training rows, the least of several; 0 where they had none.
    Mode,
    /// It becomes the median, and one more value a row tells with 0 or 1 whether it was missing: for columns that miss a
    /// value in some training row.
    Indicator,
    /// It stays missing (NaN), for an estimator that takes such values.
    Keep,
}

/// How numbers are shifted and scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Not at all.
    #[default]
    None,
    /// Mean 0 and standard deviation 1 of the training rows; zeros and ones that stand for names too.
    Standard,
    /// Median 0 and interquartile range 1 of the training rows, which outliers do not move. A column whose quartiles are
    /// equal is scaled by its standard deviation. Zeros and ones that stand for names stay what they are.
    Robust,
}

/// What becomes of names. A missing name is one more name, where training rows had any; an unseen one is stated below,
/// unless rare names are put together, of which it is one then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Categories {
    /// One value a column: the name's rank by the share of attacks among its training rows, which lets a tree cut the
    /// names in two as well as any subset could (Breiman et al. 1984 s.4.2.2). Where the truth is unknown, or one-sided,
    /// the rank by number of rows. An unseen name stands between the names on either side of the overall share.
    #[default]
    Ranks,
    /// One value a column: the name's place among the names of the training rows in ascending order, then one for
    /// missing and one for unseen; for an estimator that splits names into sets. Never scaled.
    Codes,
    /// One value a column: minus the logarithm of the name's share of the training rows, so that rare names lie far
    /// out. An unseen name counts as if it had half a row.
    Rarity,
    /// One value a column: the share of attacks among the name's training rows, drawn to the overall share as if by ten
    /// rows more (Micci-Barreca 2001). [`Encoder::fit_encode`](crate::Encoder::fit_encode) gives training rows what other
    /// training rows say, so that no row is told its own label. An unseen name has the overall share. Needs the truth.
    Target,
    /// A value of 0 or 1 for each name. An unseen name is all zeros.
    OneHot,
}
