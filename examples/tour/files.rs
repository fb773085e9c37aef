//! Chapter 5: a file, sent to a socket by each method.

use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::cost::{Cost, Meter, discard};
use crate::paths::PATHS;

const MIB: u64 = 128;
const ROUNDS: usize = 5;

/// What a method cost: the median of its rounds.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) title: String,
    pub(crate) cost: Cost,
}

pub(crate) fn show() -> io::Result<Vec<Method>> {
    println!(
        "5. A file of {MIB} MiB to a socket over loopback, by each method; median of {ROUNDS} rounds"
    );
    let file = Arc::new(make_file()?);
    let mut methods = Vec::new();
    for path in PATHS {
        let (mut zero_copy, mut copied) = (0, 0);
        let costs = (0..ROUNDS).map(|_| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let out = TcpStream::connect(listener.local_addr()?)?;
            let (stream, _) = listener.accept()?;
            let receiver = thread::spawn(move || discard(&stream));
            let meter = Meter::start();
            let sent = path.send(&file, &out, |_| {})?;
            drop(out);
            (zero_copy, copied) = (zero_copy + sent.lent, copied + sent.copied);
            let cost = meter.stop(MIB << 20, sent.system_calls);
            receiver.join().expect("the receiver does not panic")?;
            Ok(cost)
        });
        let cost = Cost::median(costs.collect::<io::Result<_>>()?);
        println!(
            "   {:<24} {:6.2} GiB/s  {:.3} CPU s/GiB  {:6.0} system calls/GiB  copies: {}",
            path.title(),
            cost.gib_per_second(),
            cost.cpu_seconds_per_gib(),
            cost.calls_per_gib(),
            path.copies(),
        );
        if zero_copy > 0 {
            println!(
                "   {:<24} the kernel copied {copied} of {zero_copy} zero-copy sends, as it does on loopback",
                ""
            );
        }
        methods.push(Method { title: path.title(), cost });
    }
    methods.sort_by(|a, b| a.cost.cpu_seconds_per_gib().total_cmp(&b.cost.cpu_seconds_per_gib()));
    Ok(methods)
}

/// A sealed file in memory: it cannot change, so it may be mapped safely.
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
