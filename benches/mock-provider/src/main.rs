//! The mock provider as a program. Everything it does is in the library.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use mock_provider::{MockProvider, Options};

/// An OpenAI-speaking provider that needs no key and no network.
#[derive(Parser)]
struct Arguments {
    /// where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8001")]
    listen: SocketAddr,
    /// how many requests `GET /__mock/requests` can show; 0 for load tests
    #[arg(long, default_value_t = 1000)]
    keep: usize,
    /// never sleeps, so that no sender has to wake it; for load tests, with a core to spare
    #[arg(long)]
    awake: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        kept_requests: arguments.keep,
        awake: arguments.awake,
    };
    match MockProvider::start_with(arguments.listen, options) {
        Ok(running) => {
            println!("mock provider on {}", running.base_url());
            running.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mock-provider: cannot listen on {}: {error}", arguments.listen);
            ExitCode::FAILURE
        }
    }
}
