//! Chapter 5: a file, sent to a socket by each method.

use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::cost::{Cost, Meter, discard};
use crate::methods::METHODS;
use crate::output::print_line;
use crate::say;

const MIB: u64 = 128;
const ROUNDS: usize = 5;

/// The cost of a method: the median of its rounds.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) title: String,
    pub(crate) cost: Cost,
}

pub(crate) fn show() -> io::Result<Vec<Measured>> {
    print_line(format_args!(
        "5. A file of {MIB} MiB over loopback, by each method: medians of {ROUNDS} rounds"
    ));
    print_line(format_args!(
        "   {:<24}{:>8}{:>14}{:>20}{:>9}",
        "method", "GiB/s", "CPU s per GiB", "system calls / GiB", "copies"
    ));
    let file = Arc::new(make_file()?);
    let mut measured = Vec::new();
    for method in METHODS {
        let (mut zero_copy, mut copied) = (0, 0);
        let costs = (0..ROUNDS).map(|_| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let out = TcpStream::connect(listener.local_addr()?)?;
            let (stream, _) = listener.accept()?;
            let receiver = thread::spawn(move || discard(&stream));
            let meter = Meter::start();
            let sent = method.send(&file, &out, |_| {})?;
            drop(out);
            (zero_copy, copied) = (zero_copy + sent.zero_copy, copied + sent.copied);
            let cost = meter.stop(MIB << 20, sent.system_calls);
            receiver.join().expect("the receiver does not panic")?;
            Ok(cost)
        });
        let cost = Cost::median(costs.collect::<io::Result<_>>()?);
        print_line(format_args!(
            "   {:<24}{:>8.2}{:>14.3}{:>20.0}{:>9}",
            method.title(),
            cost.gib_per_second(),
            cost.cpu_seconds_per_gib(),
            cost.calls_per_gib(),
            method.copies(),
        ));
        if zero_copy > 0 {
            say(format!(
                "(the kernel copied at least {copied} of {zero_copy} zero-copy sends, as it does over loopback)"
            ));
        }
        measured.push(Measured { title: method.title(), cost });
    }
    measured.sort_by(|a, b| a.cost.cpu_seconds_per_gib().total_cmp(&b.cost.cpu_seconds_per_gib()));
    Ok(measured)
}

/// Creates a sealed file in memory. It cannot change, so it is safe to map.
fn make_file() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("tour", flags)?);
    let block = vec![b'x'; 1 << 20];
    for _ in 0..MIB {
        file.write_all(&block)?;
    }
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(file)
}
