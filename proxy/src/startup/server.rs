//! The process around the gateway: sockets bound before anything is served, runtimes, signals, and an end that waits for
//! what is in flight and for nothing else.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig, PreTlsProcess};
use pingora_core::protocols::l4::stream::Stream as TcpConnection;
use pingora_core::server::Fds;
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use rustls::server::danger::ClientCertVerifier;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::accept::listen::Front;
use crate::accept::proxy_protocol;
use crate::admin::Admin;
use crate::dispatch::document::Documents;
use crate::dispatch::fetch::Fetcher;
use crate::dispatch::identity::Identities;
use crate::dispatch::upstream::Upstreams;
use crate::gateway::Gateway;
use crate::startup::certificates::Certificates;
use crate::startup::problem::Problems;
use crate::startup::reload::{ReloadHandle, ReloadObserver};
use crate::startup::{ListenerSettings, Startup};
use crate::state::State;
use crate::state::idempotency::Repeats;
use crate::state::metrics::Metrics;
use crate::state::owners::Owners;
use crate::state::records::Records;
use crate::state::signatures::Vault;
use crate::state::snapshot::Snapshot;

/// How long a stopping process waits for what is in flight: as long as the longest answers take.
const DRAIN: Duration = Duration::from_secs(600);

/// How long a stopping process waits for its last records to be written: a sink that is stuck must not keep it.
const FLUSH: Duration = Duration::from_secs(2);

/// How often a stopping process looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// What is read from a client at once. Pingora's 64 KB would be most of an open stream's memory; longer reads go past it.
const READ_BUFFER: usize = 8 * 1024;

/// A gateway that serves. Dropping it stops it at once.
pub struct Running {
    /// Where calls are taken, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    pub admin: SocketAddr,
    pub state: Arc<State>,
    pub reload: ReloadHandle,
    stop: watch::Sender<bool>,
    /// Later than the calls: while those are drained, operators see how far it is.
    stop_pages: watch::Sender<bool>,
    /// Calls on one, operators' pages on the other: a full gateway can still be watched.
    runtimes: Option<(Runtime, Runtime)>,
}

/// Binds every address, then serves. Nothing is served if one of them cannot be bound.
pub fn start(startup: Startup) -> io::Result<Running> {
    let Startup {
        settings,
        snapshot,
        certificates,
        reload,
        document_reader,
        ..
    } = startup;
    let metrics = Arc::new(Metrics::default());
    let state = Arc::new(State {
        draining: AtomicBool::new(false),
        generations: Default::default(),
        counters: Default::default(),
        health: Default::default(),
        turned_away: Default::default(),
        records: Records::open(&settings.record, metrics.records_dropped.clone())?,
        repeats: Repeats::new(&snapshot.load().idempotency),
        signatures: Arc::new(Vault::new(&snapshot.load().signatures)),
        owners: Owners::new(snapshot.load().files.ids, snapshot.load().files.ids_ttl),
        metrics,
        snapshot: snapshot.clone(),
    });
    state.generations.began(&snapshot.load_full());
    let reload = reload.start(Arc::new(Observer {
        state: state.clone(),
        snapshot,
    }))?;
    let upstreams = Arc::new(Upstreams::default());
    let gateway = Arc::new(Gateway {
        identities: Arc::new(Identities::new(&upstreams, &state.metrics)),
        state: state.clone(),
        upstreams,
        realtime: Default::default(),
        fetcher: Fetcher::default(),
        documents: Documents::new(document_reader),
    });
    let (stop, stopping) = watch::channel(false);
    let (stop_pages, stopping_pages) = watch::channel(false);
    let calls = runtime("calls", settings.threads)?;
    let pages = runtime("admin", 1)?;
    let mut addresses = Vec::with_capacity(settings.listeners.len());
    for (listener, certificates) in settings.listeners.iter().zip(certificates) {
        let front = Front {
            gateway: gateway.clone(),
            proxy_protocol: listener.proxy_protocol && listener.tls.is_none(),
            clients: client_verifier(listener, certificates.as_ref()),
        };
        addresses.push(serve(&calls, front, listener, certificates, stopping.clone())?);
    }
    let plain = ListenerSettings {
        address: settings.admin,
        tls: None,
        proxy_protocol: false,
    };
    let admin = serve(
        &pages,
        Admin { state: state.clone() },
        &plain,
        None,
        stopping_pages,
    )?;
    Ok(Running {
        addresses,
        admin,
        state,
        reload,
        stop,
        stop_pages,
        runtimes: Some((calls, pages)),
    })
}

/// Serves until the process is told to stop, then until nothing is in flight.
pub fn run(startup: Startup) -> ExitCode {
    let (source, outline) = (startup.reload.source_name(), startup.outline());
    let running = match start(startup) {
        Ok(running) => running,
        Err(error) => {
            log::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    for address in &running.addresses {
        log::info!("calls on {address}");
    }
    log::info!("metrics and health on {}", running.admin);
    log::info!(
        "penstock {} serves {source}: {outline}",
        env!("CARGO_PKG_VERSION")
    );
    if let Err(error) = running.wait_for_signal() {
        log::error!("signals cannot be received: {error}");
        return ExitCode::FAILURE;
    }
    log::info!(
        "told to stop: no more connections are taken, {} requests are still in flight",
        running.state.counters.requests.value()
    );
    if running.drain(DRAIN) {
        log::info!("stopped, nothing was left in flight");
    }
    ExitCode::SUCCESS
}

impl Running {
    /// The generation that new requests get.
    pub fn generation(&self) -> u64 {
        self.state.snapshot.load().generation
    }

    /// Takes no more connections, lets what is in flight end, and stops. `false` if `patience` was not enough.
    #[expect(
        clippy::disallowed_methods,
        reason = "sleeps on the main thread, which serves nobody"
    )]
    pub fn drain(mut self, patience: Duration) -> bool {
        self.state.draining.store(true, Ordering::Relaxed);
        let _ = self.stop.send(true);
        let deadline = Instant::now() + patience;
        while self.state.counters.requests.value() > 0 && Instant::now() < deadline {
            std::thread::sleep(DRAIN_LOOK);
        }
        let left = self.state.counters.requests.value();
        if left > 0 {
            log::warn!(
                "{left} requests were still in flight after {} s",
                patience.as_secs()
            );
        }
        self.end();
        left == 0
    }

    /// The tasks go with their runtimes; each request that was under way is settled by being dropped.
    fn end(&mut self) {
        let _ = self.stop.send(true);
        let _ = self.stop_pages.send(true);
        if let Some((calls, pages)) = self.runtimes.take() {
            calls.shutdown_timeout(Duration::from_secs(1));
            if !self.state.records.flush(FLUSH) {
                log::warn!("records were still unwritten after {} s", FLUSH.as_secs());
            }
            pages.shutdown_background();
        }
    }

    fn wait_for_signal(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let Some((_, pages)) = &self.runtimes else {
            return Ok(());
        };
        let _context = pages.enter();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut hangup = signal(SignalKind::hangup())?;
        pages.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return Ok(()),
                    // the reload thread logs what came of it
                    _ = hangup.recv() => drop(tokio::task::block_in_place(|| self.reload.reload_now())),
                }
            }
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn runtime(name: &str, threads: usize) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
}

/// Binds an address and serves `app` there. The socket listens when this returns.
fn serve<A: ServerApp + Send + Sync + 'static>(
    runtime: &Runtime,
    app: A,
    listener: &ListenerSettings,
    certificates: Option<Arc<Certificates>>,
    stopping: watch::Receiver<bool>,
) -> io::Result<SocketAddr> {
    let cannot = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", listener.address));
    let socket = TcpListener::bind(listener.address).map_err(cannot)?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let mut service = Service::new(address.to_string(), app);
    let mut config =
        ListenerConfig::tcp(address.to_string()).l4_buffer(L4BufferSettings::default().read(READ_BUFFER));
    if let (Some(certificates), Some(tls)) = (certificates, listener.tls) {
        config = config.tls(tls_settings(&certificates, tls.client_certificates)?);
        if listener.proxy_protocol {
            service.endpoints().set_pre_tls_callback(Arc::new(BeforeTls));
        }
    }
    service.add_listener(config);
    // Pingora takes sockets that are already bound from this table, which is made for handing them from one process to
    // the next.
    let mut bound = Fds::new();
    bound.add(address.to_string(), socket.into_raw_fd());
    let bound = Some(Arc::new(Mutex::new(bound)));
    runtime.spawn(async move { service.start_service(bound, stopping, 1).await });
    Ok(address)
}

fn client_verifier(
    listener: &ListenerSettings,
    certificates: Option<&Arc<Certificates>>,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let asks = listener.tls.is_some_and(|tls| tls.client_certificates);
    let certificates = certificates.filter(|_| asks)?;
    Some(certificates.clone())
}

fn tls_settings(certificates: &Arc<Certificates>, clients: bool) -> io::Result<TlsSettings> {
    let mut settings =
        TlsSettings::intermediate("", "").map_err(|error| io::Error::other(error.to_string()))?;
    settings.set_cert_resolver(certificates.clone());
    if clients {
        settings.set_client_cert_verifier(certificates.clone());
    }
    settings.enable_h2();
    Ok(settings)
}

/// Reads the PROXY protocol header that comes before the TLS handshake.
struct BeforeTls;

#[async_trait]
impl PreTlsProcess for BeforeTls {
    async fn process(&self, stream: &mut TcpConnection) -> pingora_error::Result<()> {
        proxy_protocol::before_tls(stream).await
    }
}

/// Hears of changed configurations.
struct Observer {
    state: Arc<State>,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl ReloadObserver for Observer {
    fn accepted(&self, _: u64) {
        self.state.generations.began(&self.snapshot.load_full());
        self.state.metrics.config_accepted.inc();
        self.state.metrics.config_refused.set(0);
    }

    fn unchanged(&self) {
        self.state.metrics.config_refused.set(0);
    }

    fn rejected(&self, _: &Problems) {
        self.state.metrics.config_rejected.inc();
        self.state.metrics.config_refused.set(1);
    }
}
