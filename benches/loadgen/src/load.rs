//! Runs a load: warm-up, measured window, and the requests that are still under way when it ends.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use crate::client::Client;
use crate::pace::Pace;
use crate::process::{Used, used_by_tree};
use crate::report::{Report, Window};
use crate::scenario::Scenario;
use crate::tally::Tally;

/// Requests that an open loop may have under way: past it the gateway has stopped serving, and the run says so.
const MAX_UNDER_WAY: usize = 20_000;
/// Streams that are opened at the same time in `hold`.
const OPENING_AT_ONCE: u32 = 32;

pub struct Load {
    pub address: SocketAddr,
    pub scenario: Scenario,
    pub request: Rc<[u8]>,
    /// per second; none: closed loop
    pub rate: Option<u32>,
    pub connections: u32,
    pub warm_up: Duration,
    pub measured: Duration,
    /// asks for answers all the time instead of sleeping until there are some
    pub awake: bool,
    /// the process tree to measure
    pub pid: Option<u32>,
}

type Shared = Rc<RefCell<Tally>>;

/// # Errors
/// No runtime or timer; what goes wrong with requests is in the report.
pub fn run(load: &Load) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        if load.awake {
            tokio::task::spawn_local(stay_awake());
        }
        let tally = Shared::default();
        match (load.scenario, load.rate) {
            (Scenario::Hold, _) => hold(load, &tally).await,
            (_, Some(rate)) => {
                let window =
                    tokio::task::spawn_local(watch(load.warm_up, load.measured, load.pid, Rc::clone(&tally)));
                open_loop(load, rate, &tally).await?;
                finish(load, &tally, window.await)
            }
            (_, None) => {
                let window =
                    tokio::task::spawn_local(watch(load.warm_up, load.measured, load.pid, Rc::clone(&tally)));
                closed_loop(load, &tally).await;
                finish(load, &tally, window.await)
            }
        }
    })
}

/// Keeps the thread from ever sleeping: then the gateway need not wake it, which in a virtual machine costs the gateway
/// several microseconds. The provider on the same core gets its turn after every look.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

fn finish(load: &Load, tally: &Shared, window: Result<Window, tokio::task::JoinError>) -> io::Result<Report> {
    let window = window.map_err(io::Error::other)?;
    Ok(Report::new(load, &mut tally.borrow_mut(), &window))
}

/// Opens and closes the measured window.
async fn watch(warm_up: Duration, measured: Duration, pid: Option<u32>, tally: Shared) -> Window {
    let started = Instant::now();
    tokio::time::sleep(warm_up).await;
    let (opened, before, own_before) = (Instant::now(), used(pid), used(Some(std::process::id())));
    tally.borrow_mut().measuring = true;
    tokio::time::sleep((warm_up + measured).saturating_sub(started.elapsed())).await;
    tally.borrow_mut().measuring = false;
    let (elapsed, after, own_after) = (opened.elapsed(), used(pid), used(Some(std::process::id())));
    let cpu = |used: Option<Used>| used.unwrap_or_default().cpu;
    Window {
        elapsed,
        before,
        after,
        own_cpu: cpu(own_after).saturating_sub(cpu(own_before)),
    }
}

fn used(pid: Option<u32>) -> Option<Used> {
    pid.and_then(used_by_tree)
}

/// Every connection sends its next request when the last is answered.
async fn closed_loop(load: &Load, tally: &Shared) {
    let end = Instant::now() + load.warm_up + load.measured;
    let mut clients = JoinSet::new();
    for _ in 0..load.connections {
        let mut client = client(load, tally);
        clients.spawn_local(async move {
            while Instant::now() < end {
                client.exchange(Instant::now()).await;
            }
        });
    }
    clients.join_all().await;
}

/// Requests leave at fixed moments, however slow the answers are, and are timed from those moments: a stall shows in
/// every request that it delayed, not only in the one that met it.
async fn open_loop(load: &Load, rate: u32, tally: &Shared) -> io::Result<()> {
    let mut pace = Pace::new()?;
    let started = Instant::now();
    let count = ((load.warm_up + load.measured).as_secs_f64() * f64::from(rate)) as u64;
    let idle: Rc<RefCell<Vec<Client>>> = Rc::default();
    let mut under_way = JoinSet::new();
    for number in 0..count {
        let intended = started + Duration::from_secs_f64(number as f64 / f64::from(rate.max(1)));
        pace.until(intended).await?;
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= MAX_UNDER_WAY {
            tally.borrow_mut().failed("too many requests under way");
            continue;
        }
        let client = idle
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| self::client(load, tally));
        let idle = Rc::clone(&idle);
        under_way.spawn_local(async move {
            let mut client = client;
            client.exchange(intended).await;
            idle.borrow_mut().push(client);
        });
    }
    under_way.join_all().await;
    Ok(())
}

/// Opens streams that fall silent, and reports the memory that they take while all are open.
async fn hold(load: &Load, tally: &Shared) -> io::Result<Report> {
    let before = used(load.pid);
    let started = Instant::now();
    let mut open = Vec::new();
    while (open.len() as u32) < load.connections {
        let batch = OPENING_AT_ONCE.min(load.connections - open.len() as u32);
        let mut opening = JoinSet::new();
        for _ in 0..batch {
            let mut client = client(load, tally);
            opening.spawn_local(async move {
                client.open_stream().await;
                client
            });
        }
        open.extend(opening.join_all().await);
    }
    tokio::time::sleep(load.measured).await;
    let after = used(load.pid);
    let window = Window {
        elapsed: started.elapsed(),
        before,
        after,
        own_cpu: Duration::ZERO,
    };
    let mut report = Report::new(load, &mut tally.borrow_mut(), &window);
    if let Some((before, after)) = before.zip(after) {
        let grown = after.resident_kib.saturating_sub(before.resident_kib) as f64;
        report.add("rss_kib_per_stream", (grown / open.len() as f64).into());
    }
    Ok(report)
}

fn client(load: &Load, tally: &Shared) -> Client {
    Client::new(
        load.address,
        load.scenario,
        Rc::clone(&load.request),
        Rc::clone(tally),
    )
}
