//! Addresses of providers' names, without blocking a worker. Names are cached by the resolver for as long as their
//! records say.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use tokio::sync::OnceCell;

use crate::fault::{Fault, Result};

/// Addresses of one name that are tried, one after the other.
const MOST_ADDRESSES: usize = 4;

/// The system's resolver configuration, read when the first name is asked for.
#[derive(Default)]
pub struct Names {
    resolver: OnceCell<TokioResolver>,
}

impl Names {
    /// The addresses of `host`, in the order to try them.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        // Boxed: a look-up's state is large, and the answer is mostly at hand.
        Box::pin(self.look_up(host, port)).await
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let resolver = self
            .resolver
            .get_or_try_init(async || TokioResolver::builder_tokio()?.build())
            .await;
        let resolver = resolver.map_err(|error| unresolved(host).with_detail(error))?;
        let found = resolver
            .lookup_ip(host)
            .await
            .map_err(|error| unresolved(host).with_detail(error))?;
        let addresses: Vec<_> = found
            .iter()
            .take(MOST_ADDRESSES)
            .map(|ip| SocketAddr::new(ip, port))
            .collect();
        if addresses.is_empty() {
            Err(unresolved(host))
        } else {
            Ok(addresses)
        }
    }
}

fn unresolved(host: &str) -> Box<Fault> {
    Fault::provider(
        502,
        "upstream_unreachable",
        format!("the provider's name {host} could not be resolved"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_needs_no_resolver() {
        let names = Names::default();
        assert_eq!(
            names.resolve("127.0.0.1", 80).await.unwrap(),
            ["127.0.0.1:80".parse().unwrap()]
        );
        assert_eq!(
            names.resolve("[::1]", 80).await.unwrap(),
            ["[::1]:80".parse().unwrap()]
        );
    }
}
