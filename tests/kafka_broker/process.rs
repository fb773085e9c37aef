//! A broker process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::example;

pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| example::build("kafka_broker"))
}

pub(crate) fn command(directory: &Path) -> Command {
    with_arguments(Command::new(binary()), directory)
}

/// The command of a broker that may have so many descriptors.
pub(crate) fn command_with_descriptors(directory: &Path, most: usize) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {most} && exec \"$@\"")).arg("sh").arg(binary());
    with_arguments(shell, directory)
}

fn with_arguments(mut command: Command, directory: &Path) -> Command {
    command
        .args(["--listen", "127.0.0.1:0"])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// A broker process; it is killed with this value.
pub(crate) struct Broker {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Broker {
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, [""; 0])
    }

    pub(crate) fn start_with<S: AsRef<OsStr>>(
        directory: &Path,
        options: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut command = command(directory);
        command.args(options);
        Self::run(command)
    }

    /// Runs the command of a broker until it listens.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(',').next());
        let address = address.expect(&line).parse().unwrap();
        Self { child, out, address }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a user does, and returns its last words.
    pub(crate) fn stop(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut words = String::new();
        self.out.read_to_string(&mut words).unwrap();
        assert!(self.child.wait().unwrap().success());
        words
    }

    /// The descriptors that it has open.
    #[cfg(target_os = "linux")]
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Kibibytes of memory that are resident.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
