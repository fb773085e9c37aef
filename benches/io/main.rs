//! Measures the cost of input and output, each job against the best handwritten code.
//!
//! ```text
//! cargo bench --bench io -- [--quick] [--only JOB] [--picture FILE.svg]
//! ```
//!
//! Every line is one bar: our cost, the peer's cost, the ratio, and its limit. A cost is the processor time that the kernel
//! accounts to the thread that does the work, so a waiting peer or a busy machine does not count. `--quick` only checks that
//! everything runs, and `--only` selects the jobs whose name contains that text.
//!
//! `report.rs` measures, compares and prints; `wire.rs` is the other end of a connection. The jobs: `file.rs` (files to sockets), `small.rs` (many small buffers), `through.rs`
//! (a proxy, an upload), `log.rs` (appending to a file).

#[path = "../side_by_side/mod.rs"]
#[cfg(target_os = "linux")]
mod side_by_side;

#[cfg(target_os = "linux")]
mod file;
#[cfg(target_os = "linux")]
mod log;
#[path = "../side_by_side/picture.rs"]
#[cfg(target_os = "linux")]
mod picture;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod small;
#[cfg(target_os = "linux")]
mod through;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    let mut report = report::Report::from_args();
    file::run(&mut report)?;
    small::run(&mut report)?;
    through::run(&mut report)?;
    log::run(&mut report)?;
    report.finish()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this benchmark needs Linux: it measures sendfile and splice");
}
