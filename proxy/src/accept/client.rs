//! Whose address a request comes from, when trusted proxies stand in between.

use std::net::IpAddr;

use http::HeaderMap;

use crate::state::snapshot::Network;

/// Hops that are looked at; a longer list is somebody's game.
const MOST_HOPS: usize = 32;

/// The right-most address of `X-Forwarded-For` that no trusted proxy has: everything to its left could be made up by
/// the client. Without a trusted peer the header says nothing.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut nearest = peer;
    for hop in hops(headers) {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        nearest = address.to_canonical();
        if !is_trusted(nearest) {
            break;
        }
    }
    nearest
}

/// The hops, nearest first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.rsplit(','))
        .map(str::trim)
        .take(MOST_HOPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted = [Network {
            address: "10.0.0.0".parse().unwrap(),
            prefix: 8,
        }];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_name_its_own_address() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", &["1.2.3.4, 198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn trusted_hops_are_passed_over() {
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.7", "10.0.0.2, 10.0.0.3"]),
            "198.51.100.7"
        );
        assert_eq!(seen("10.0.0.1", &["not an address"]), "10.0.0.1");
    }
}
