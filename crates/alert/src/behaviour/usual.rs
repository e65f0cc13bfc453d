//! What is usual here: how much others do of what one host does too much of.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::words::grouped;
use crate::{Evidence, Fact};

/// The most that each host did, in the order of how much.
pub(crate) struct Usual(Vec<(u64, IpAddr)>);

impl Usual {
    /// What hosts did: of a host that is counted several times, the most.
    pub(crate) fn of(counts: impl IntoIterator<Item = (IpAddr, u64)>) -> Usual {
        let mut most: BTreeMap<IpAddr, u64> = BTreeMap::new();
        for (host, count) in counts {
            let known = most.entry(host).or_default();
            *known = count.max(*known);
        }
        let mut sorted: Vec<(u64, IpAddr)> = most.into_iter().map(|(host, count)| (count, host)).collect();
        sorted.sort_unstable();
        Usual(sorted)
    }

    /// The 99.9th percentile of the hosts but this one, by the nearest rank; `None` where fewer than twenty others were seen.
    pub(crate) fn besides(&self, host: IpAddr) -> Option<u64> {
        let others = self.0.iter().filter(|(_, other)| *other != host);
        let count = others.clone().count();
        let rank = (count * 999).div_ceil(1000);
        others.map(|(count, _)| *count).nth(rank.checked_sub(1)?).filter(|_| count >= LEAST_OTHERS)
    }

    /// The evidence, which says what is usual where that is known and less than what its subject did.
    pub(crate) fn beside(&self, mut evidence: Evidence, did: u64) -> Evidence {
        if let Some(usual) = self.besides(evidence.subject).filter(|usual| *usual < did) {
            evidence.summary.push_str(&format!("; the 99.9th percentile for hosts here is {}", grouped(usual)));
            evidence.facts.push("usual_here", Fact::Count(usual));
        }
        evidence
    }
}

/// Fewer show nothing of what is usual.
const LEAST_OTHERS: usize = 20;

#[cfg(test)]
mod tests {
    use flow::Time;

    use super::*;
    use crate::Alert;

    fn host(number: u16) -> IpAddr {
        let [high, low] = number.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    #[test]
    fn the_percentile_is_that_of_the_others_and_needs_twenty() {
        let few = |others: u16| Usual::of((0..=others).map(|number| (host(number), u64::from(number) + 1)));
        assert_eq!((few(19).besides(host(19)), few(20).besides(host(20))), (None, Some(20)));
        let many = Usual::of((0..=2000).map(|number| (host(number), u64::from(number))));
        assert_eq!(many.besides(host(2000)), Some(1997));
    }

    #[test]
    fn of_a_host_that_is_counted_often_the_most_counts() {
        let counts = (0..21).flat_map(|number| [(host(number), 3), (host(number), 1)]);
        assert_eq!(Usual::of(counts).besides(host(0)), Some(3));
    }

    #[test]
    fn evidence_says_what_is_usual_where_its_subject_did_more() {
        let evidence = || Alert::test(Time::MIN).evidence.remove(0);
        let usual = Usual::of((0..21).map(|number| (host(number), 6)));
        let told = usual.beside(evidence(), 214);
        assert!(told.summary.ends_with("; the 99.9th percentile for hosts here is 6"), "{}", told.summary);
        assert_eq!(told.facts.find("usual_here"), Some(&Fact::Count(6)));
        assert_eq!(usual.beside(evidence(), 6), evidence());
    }
}
