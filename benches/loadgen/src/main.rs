//! Command line of the load generator: one scenario against one address, one report.
//!
//! One thread, prepared request bytes and a reader that only counts: the generator shares a core with the mock provider
//! and must not be what is measured. Linux only, since it reads /proc and paces with a timerfd.

mod answer;
mod client;
mod load;
mod pace;
mod process;
mod report;
mod scenario;
mod tally;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::load::Load;
use crate::scenario::Scenario;

/// Open-loop (--rate) or closed-loop (--connections) load with latency and CPU figures.
#[derive(Parser)]
struct Arguments {
    /// the gateway, or the provider itself
    #[arg(long)]
    address: SocketAddr,
    /// chat, sse-isolated, sse-flat or hold (opens streams and keeps them open)
    #[arg(long, value_parser = Scenario::parse)]
    scenario: Scenario,
    /// requests per second, sent at fixed moments whether or not earlier ones were answered
    #[arg(long, conflicts_with = "connections")]
    rate: Option<u32>,
    /// connections that each send the next request when the last is answered; for hold, streams to open
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// how long to measure
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// how long to run before measuring
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    /// sent as the bearer token
    #[arg(long, default_value = "sk-bench")]
    key: String,
    /// the root of the process tree whose CPU and memory are measured
    #[arg(long)]
    pid: Option<u32>,
    /// never sleep, so that the gateway need not wake the load generator
    #[arg(long)]
    awake: bool,
    /// a JSON object on one line instead of text
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (Ok(measured), Ok(warm_up)) = (
        Duration::try_from_secs_f64(arguments.seconds),
        Duration::try_from_secs_f64(arguments.warm_up),
    ) else {
        eprintln!("loadgen: --seconds and --warm-up take a number of seconds");
        return ExitCode::FAILURE;
    };
    let load = Load {
        address: arguments.address,
        request: arguments.scenario.request(&arguments.key).into(),
        scenario: arguments.scenario,
        rate: arguments.rate,
        connections: arguments.connections.max(1),
        warm_up,
        measured,
        awake: arguments.awake,
        pid: arguments.pid,
    };
    match load::run(&load) {
        Ok(report) => {
            println!(
                "{}",
                if arguments.json {
                    report.json()
                } else {
                    report.text()
                }
            );
            if report.failed() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}
