//! Whether attacks are called unknown that are, and only those.

use serde::{Deserialize, Serialize};

use crate::{Dataset, Error, Verdict};

/// What of the alarms got no name: of attack kinds that training saw each is a mistake, of kinds that it never saw each is
/// right (open-set recognition, Scheirer et al. 2013).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// Attacks of kinds that training saw.
    pub known: Refused,
    /// Attacks of kinds that it never saw.
    pub unseen: Refused,
    /// Benign rows: false alarms.
    pub benign: Refused,
}

/// Alarms, and how many of them got no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The rows that alarm.
    pub alarms: u64,
    /// Those of them that are called an attack of no known kind.
    pub refused: u64,
}

impl Refusals {
    /// Counts them over rows of known truth. `refused` tells of each row whether it was called unknown; `seen` are the kinds
    /// that training saw; where it is empty, all count as seen.
    pub fn of(verdicts: &[Verdict], refused: &[bool], truth: &Dataset, seen: &[String]) -> Result<Refusals, Error> {
        let attacks = truth.attacks().ok_or(Error::Unlabelled("evaluation"))?;
        if let Some(found) = [verdicts.len(), refused.len()].into_iter().find(|found| *found != attacks.len()) {
            return Err(Error::Length { what: "verdicts", expected: attacks.len(), found });
        }
        let mut refusals = Refusals::default();
        for row in (0..attacks.len()).filter(|&row| verdicts[row].alarm) {
            let is_seen = || seen.is_empty() || seen.iter().any(|seen| truth.kind(row) == Some(seen));
            let of = match attacks[row] {
                false => &mut refusals.benign,
                true if is_seen() => &mut refusals.known,
                true => &mut refusals.unseen,
            };
            of.alarms += 1;
            of.refused += u64::from(refused[row]);
        }
        Ok(refusals)
    }
}

impl Refused {
    /// The share of the alarms that got no name; `None` without alarms.
    pub fn share(&self) -> Option<f64> {
        (self.alarms > 0).then(|| self.refused as f64 / self.alarms as f64)
    }
}

impl std::ops::AddAssign for Refusals {
    fn add_assign(&mut self, other: Refusals) {
        let sides = [&mut self.known, &mut self.unseen, &mut self.benign];
        for (own, other) in sides.into_iter().zip([other.known, other.unseen, other.benign]) {
            own.alarms += other.alarms;
            own.refused += other.refused;
        }
    }
}

#[cfg(test)]
mod tests {
    use flow::{Column, Label, Table};

    use super::*;

    #[test]
    fn refusing_a_known_attack_is_told_apart_from_refusing_an_unseen_one() {
        let table = Table::new(vec![Column::numbers("bytes", vec![0.0; 5])]).unwrap();
        let labels = ["normal", "scan", "scan", "worm", "worm"].map(Label::new);
        let truth = Dataset::labelled(table, &labels).unwrap();
        let verdicts = [true, true, true, true, false].map(|alarm| Verdict { score: 0.5, alarm });
        let refused = [false, true, false, true, false];
        let seen = ["normal", "scan"].map(String::from);
        let refusals = Refusals::of(&verdicts, &refused, &truth, &seen).unwrap();
        assert_eq!((refusals.known.share(), refusals.unseen.share()), (Some(0.5), Some(1.0)));
        assert_eq!((refusals.unseen.alarms, refusals.benign), (1, Refused { alarms: 1, refused: 0 }));
        assert_eq!(Refused::default().share(), None);
        assert!(Refusals::of(&verdicts, &refused[1..], &truth, &seen).is_err());
    }
}
