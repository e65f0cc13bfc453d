//! Which addresses are the network's own.

use std::net::IpAddr;

use ipnet::IpNet;

/// The networks that somebody here answers for; every other address is outside.
///
/// ```
/// use alert::Home;
/// assert!(Home::default().contains([192, 168, 1, 7].into()));
/// let home = Home::of(["198.51.100.0/24".parse().unwrap()]);
/// assert!(home.contains([198, 51, 100, 7].into()) && !home.contains([192, 168, 1, 7].into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    networks: Vec<IpNet>,
}

impl Home {
    /// These networks and no other.
    pub fn of(networks: impl IntoIterator<Item = IpNet>) -> Home {
        Home { networks: IpNet::aggregate(&networks.into_iter().collect()) }
    }

    /// The networks, those that lie within another one left out.
    pub fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// Whether the address is the network's own.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a call from one address to the other leaves the network.
    pub fn is_outward(&self, from: IpAddr, to: IpAddr) -> bool {
        self.contains(from) && !self.contains(to)
    }
}

impl Default for Home {
    /// What is nobody's on the Internet: private addresses (RFC 1918, RFC 4193), those between a provider and its customers
    /// (RFC 6598) and those of one link (RFC 3927, RFC 4291 s.2.5.6).
    fn default() -> Home {
        let v4 = |octets: [u8; 4], bits| ipnet::Ipv4Net::new_assert(octets.into(), bits).into();
        let v6 = |first: u16, bits| ipnet::Ipv6Net::new_assert([first, 0, 0, 0, 0, 0, 0, 0].into(), bits).into();
        Home::of([
            v4([10, 0, 0, 0], 8),
            v4([172, 16, 0, 0], 12),
            v4([192, 168, 0, 0], 16),
            v4([100, 64, 0, 0], 10),
            v4([169, 254, 0, 0], 16),
            v6(0xfc00, 7),
            v6(0xfe80, 10),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_outward_only_from_home_to_elsewhere() {
        let home = Home::default();
        let [inside, other, outside] = [[10, 0, 0, 1], [172, 20, 0, 1], [8, 8, 8, 8]].map(IpAddr::from);
        assert!(home.is_outward(inside, outside));
        assert!(!home.is_outward(inside, other) && !home.is_outward(outside, inside));
        assert!(!home.is_outward(outside, outside));
    }
}
