//! The gateway as operators run it: a process of its own, from a file, told by signals.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;

use super::PATIENCE;
use super::client::{Client, request};
use super::gateway::{CREDENTIAL, KEY, value};

pub struct Process {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Process {
    /// Starts the binary and waits until it says where it listens.
    pub fn start(config: &Path) -> Process {
        Self::start_with(config, &[])
    }

    /// The same with more variables in its environment.
    pub fn start_with(config: &Path, variables: &[(&str, &str)]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_penstock"))
            .args(["run", "--config"])
            .arg(config)
            .envs([("KEY", KEY), ("CREDENTIAL", CREDENTIAL)])
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Once nobody listens the lines are still taken, so that the process never waits for its log.
                let _ = sender.try_send(line);
            }
        });
        let told = |what: &str| -> SocketAddr {
            loop {
                let line = lines
                    .recv_timeout(PATIENCE)
                    .expect("the process says where it listens");
                if let Some((_, address)) = line.split_once(what) {
                    return address.trim().parse().expect("an address");
                }
            }
        };
        let address = told("calls on ");
        let admin = told("metrics and health on ");
        Process {
            child,
            address,
            admin,
        }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn metric(&self, series: &str) -> f64 {
        let mut client = Client::connect(self.admin);
        client.send(request("GET", "/metrics", "", &[("connection", "close")]));
        value(client.answer().text(), series)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("it has memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(name)
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        super::eventually("the process ends", || {
            self.child.try_wait().expect("a child of ours")
        })
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
