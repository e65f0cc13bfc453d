//! What a classifier tells apart.

use flow::{Category, Label};
use serde::{Deserialize, Serialize};

use crate::{Dataset, Error};

/// The class of each row; class 0 is benign, all others are attacks.
///
/// ```
/// use model::Classes;
/// let classes = Classes::binary(&[false, true, false]);
/// assert_eq!(classes.codes(), [0, 1, 0]);
/// assert_eq!(classes.names(), ["benign", "attack"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    codes: Vec<u32>,
    names: Vec<String>,
}

/// Which kinds of row are one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// All attacks are one class.
    #[default]
    Binary,
    /// The attack names of KDD'99 and NSL-KDD by their four families (Tavallaee et al. 2009): `dos`, `probe`, `r2l`,
    /// `u2r`. An attack of another name is a class by itself.
    Families,
    /// Every kind of attack is a class by itself.
    Kinds,
}

impl Classes {
    /// These codes; refused where one has no name, or there is no name at all.
    pub fn new(codes: Vec<u32>, names: Vec<String>) -> Result<Classes, Error> {
        match codes.iter().filter(|&&code| code as usize >= names.len()).count() {
            0 if !names.is_empty() => Ok(Classes { codes, names }),
            wild => Err(Error::Length { what: "named classes", expected: codes.len(), found: codes.len() - wild }),
        }
    }

    /// Benign rows and attacks.
    pub fn binary(attacks: &[bool]) -> Classes {
        Classes {
            codes: attacks.iter().map(|&attack| u32::from(attack)).collect(),
            names: [BENIGN, ATTACK].map(String::from).to_vec(),
        }
    }

    /// The classes of a data set, attacks in the order of their names, those without a row left out; `None` where the
    /// truth is unknown.
    pub fn of(dataset: &Dataset, grouping: Grouping) -> Option<Classes> {
        match grouping {
            Grouping::Binary => dataset.attacks().map(Classes::binary),
            Grouping::Families => dataset.kinds().map(|kinds| Classes::named(kinds, family)),
            Grouping::Kinds => dataset.kinds().map(|kinds| Classes::named(kinds, |kind| kind)),
        }
    }

    /// The place of each row's class among those of a model, whose first is benign: a kind counts by its own name, or by
    /// that of its family, or as an attack where the model knows no other; `None` where no class stands for it. `None` of
    /// all where the truth is unknown.
    pub(crate) fn among(dataset: &Dataset, classes: &[String]) -> Option<Vec<Option<u32>>> {
        let kinds = dataset.kinds()?;
        let place = |name: &str| classes.iter().skip(1).position(|class| class == name).map(|place| place as u32 + 1);
        let class = |kind: &String| match Label::new(kind).is_attack() {
            false => Some(0),
            true if classes.len() == 2 && classes[1] == ATTACK => Some(1),
            true => place(kind.trim()).or_else(|| place(family(kind.trim()))),
        };
        let known: Vec<Option<u32>> = kinds.vocabulary.iter().map(class).collect();
        Some(kinds.codes.iter().map(|&kind| known[kind as usize]).collect())
    }

    fn named(kinds: &Category, name: impl Fn(&str) -> &str) -> Classes {
        let mut used = vec![false; kinds.vocabulary.len()];
        kinds.codes.iter().for_each(|&code| used[code as usize] = true);
        let class = |kind: &String| Label::new(kind).is_attack().then(|| name(kind.trim()).to_owned());
        let classes: Vec<Option<String>> = kinds.vocabulary.iter().map(class).collect();
        let occurring = classes.iter().zip(used).filter(|(_, used)| *used);
        let mut names: Vec<String> = occurring.filter_map(|(class, _)| class.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let code = |class: &Option<String>| {
            class.as_ref().map_or(0, |class| names.partition_point(|name| name < class) as u32 + 1)
        };
        let codes: Vec<u32> = classes.iter().map(code).collect();
        names.insert(0, BENIGN.into());
        Classes { codes: kinds.codes.iter().map(|&kind| codes[kind as usize]).collect(), names }
    }

    /// The class of each row: a place among the names.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The names of the classes; the first is that of benign rows.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of classes, those without a row included.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.codes.len()
    }

    /// Whether each row is an attack.
    pub fn attacks(&self) -> Vec<bool> {
        self.codes.iter().map(|&code| code != 0).collect()
    }

    /// The number of rows of each class.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count()];
        self.codes.iter().for_each(|&code| sizes[code as usize] += 1);
        sizes
    }
}

/// How likely each row is of each class, row by row; a row sums up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    classes: usize,
    values: Vec<f32>,
}

impl Probabilities {
    /// Values row by row, `classes` a row. The caller knows that they are whole rows.
    pub(crate) fn new(classes: usize, values: Vec<f32>) -> Probabilities {
        debug_assert!(classes > 0 && values.len().is_multiple_of(classes));
        Probabilities { classes, values }
    }

    /// From the probability of the second of two classes.
    pub(crate) fn binary(attack: Vec<f32>) -> Probabilities {
        Probabilities::new(2, attack.into_iter().flat_map(|attack| [1.0 - attack, attack]).collect())
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How likely each row is not of the first class, that of benign rows.
    pub fn attacks(&self) -> Vec<f32> {
        self.values.chunks_exact(self.classes).map(|row| row[1..].iter().sum::<f32>().clamp(0.0, 1.0)).collect()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.classes
    }

    /// One row. Panics where there is none.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.classes..][..self.classes]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The likeliest class of each row; the first of equally likely ones.
    pub fn likeliest(&self) -> Vec<u32> {
        let likeliest = |row: &[f32]| {
            let best = (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
            best as u32
        };
        self.values.chunks_exact(self.classes).map(likeliest).collect()
    }
}

/// The family of a KDD attack, or the name itself.
fn family(kind: &str) -> &str {
    let name = kind.strip_suffix('.').unwrap_or(kind);
    let family = FAMILIES.iter().find(|(_, kinds)| kinds.split(' ').any(|kind| kind == name));
    family.map_or(kind, |(family, _)| family)
}

const BENIGN: &str = "benign";
const ATTACK: &str = "attack";
/// The attacks of KDD'99 and NSL-KDD, training and test.
const FAMILIES: [(&str, &str); 4] = [
    ("dos", "apache2 back land mailbomb neptune pod processtable smurf teardrop udpstorm worm"),
    ("probe", "ipsweep mscan nmap portsweep saint satan"),
    (
        "r2l",
        "ftp_write guess_passwd httptunnel imap multihop named phf sendmail snmpgetattack snmpguess spy warezclient \
         warezmaster xlock xsnoop",
    ),
    ("u2r", "buffer_overflow loadmodule perl ps rootkit sqlattack xterm"),
];

#[cfg(test)]
mod tests {
    use flow::{Column, Table};

    use super::*;

    fn dataset(kinds: &[&str]) -> Dataset {
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; kinds.len()])]).unwrap();
        let labels: Vec<Label> = kinds.iter().map(|kind| Label::new(kind)).collect();
        Dataset::labelled(table, &labels).unwrap()
    }

    #[test]
    fn every_benign_name_is_class_0_and_attacks_follow_by_name() {
        let classes = Classes::of(&dataset(&["smurf", "normal", "BENIGN", "back"]), Grouping::Kinds).unwrap();
        assert_eq!(classes.names(), ["benign", "back", "smurf"]);
        assert_eq!(classes.codes(), [2, 0, 0, 1]);
        assert_eq!(classes.sizes(), [2, 1, 1]);
    }

    #[test]
    fn attacks_of_kdd_fall_into_families_and_others_stand_alone() {
        let dataset = dataset(&["smurf.", "phf", "normal.", "neptune", "ddos"]);
        let classes = Classes::of(&dataset, Grouping::Families).unwrap();
        assert_eq!(classes.names(), ["benign", "ddos", "dos", "r2l"]);
        assert_eq!(classes.codes(), [2, 3, 0, 2, 1]);
    }

    #[test]
    fn kinds_without_a_row_are_no_class() {
        let one = dataset(&["smurf", "back", "normal"]).select(&[0, 2]);
        assert_eq!(Classes::of(&one, Grouping::Kinds).unwrap().names(), ["benign", "smurf"]);
    }

    #[test]
    fn a_kind_has_its_place_among_the_classes_of_a_model_by_its_name_or_family() {
        let dataset = dataset(&["normal", "smurf", "ddos", "phf"]);
        let among = |names: &[&str]| {
            Classes::among(&dataset, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(among(&["benign", "attack"]), [Some(0), Some(1), Some(1), Some(1)]);
        assert_eq!(among(&["benign", "ddos", "dos"]), [Some(0), Some(2), Some(1), None]);
        assert_eq!(among(&["benign", "smurf"]), [Some(0), Some(1), None, None]);
    }

    #[test]
    fn a_code_without_a_name_is_refused() {
        assert!(Classes::new(vec![0, 2], vec!["benign".into(), "scan".into()]).is_err());
    }

    #[test]
    fn the_first_of_equally_likely_classes_is_the_likeliest() {
        let rows = Probabilities::new(3, vec![0.4, 0.4, 0.2, 0.1, 0.2, 0.7]);
        assert_eq!(rows.likeliest(), [0, 2]);
    }
}
