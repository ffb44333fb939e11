//! The yardstick: Pingora's own `ProxyHttp` with nothing added, one worker, plain TCP. Every figure of the benches is a
//! ratio to this program, measured in the same run.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Idle connections kept to the upstream: above what any scenario opens, so that no request pays for a handshake.
const UPSTREAM_POOL_SIZE: usize = 1024;

struct Bare {
    upstream: HttpPeer,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.upstream.clone()))
    }
}

fn main() -> ExitCode {
    let mut addresses = std::env::args().skip(1).map(|text| text.parse::<SocketAddr>());
    let (Some(Ok(listen)), Some(Ok(upstream)), None) = (addresses.next(), addresses.next(), addresses.next())
    else {
        eprintln!("usage: bare LISTEN_ADDRESS UPSTREAM_ADDRESS");
        return ExitCode::FAILURE;
    };
    let mut upstream = HttpPeer::new(upstream, false, String::new());
    upstream.options.idle_timeout = Some(Duration::from_secs(60));

    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: UPSTREAM_POOL_SIZE,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever()
}
