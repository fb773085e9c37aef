//! Zero-copy sends on a connection that is slower than the sender: every byte that the peer reads must be
//! right, although the sender reuses memory as soon as it may.
//!
//! By itself this runs over loopback, where bytes beyond the receiver's window stay in the sender's
//! memory. `ci/veth.sh` runs the two ends in network namespaces with a slow wire between
//! them, where it also waits in the queue of a device:
//!
//! ```text
//! slow_wire receive ADDRESS
//! slow_wire send ADDRESS
//! ```
//!
//! Each run first shows that the test can fail: the peer must see what is written to memory right after a
//! bare `MSG_ZEROCOPY` send.
#![cfg_attr(target_os = "linux", allow(unsafe_code, reason = "sets SO_ZEROCOPY, as the control"))]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("zero-copy sends need Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::thread;

    use bytebuf::{Flush, Pool, WriteQueue};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::net::{SendFlags, send, sockopt};

    const PART: usize = 64 * 1024;
    /// What memory is overwritten with; no byte of a stream.
    const FOREIGN: u8 = 0xee;

    pub(super) fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["receive", address] => receive(&TcpListener::bind(address).unwrap()),
            ["send", address] => send_to(address, Reads::AtOnce),
            // Any filter that a test harness would take.
            _ => over_loopback(),
        }
    }

    fn over_loopback() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let receiver = thread::spawn(move || receive(&listener));
        send_to(&address, Reads::Late);
        receiver.join().unwrap();
        println!("test result: ok. 3 passed; 0 failed");
    }

    /// The byte of a stream at a position.
    fn byte(stream: usize, at: usize) -> u8 {
        (at / 3 + at / 1021 + stream * 7) as u8 & 0x7f
    }

    /// When the receiver begins to read a stream.
    #[derive(Clone, Copy)]
    enum Reads {
        AtOnce,
        /// After the sender has done its worst.
        Late,
    }

    /// Reads streams one after the other, each when it is told to, and reports how many bytes it got and
    /// how many were wrong.
    fn receive(listener: &TcpListener) {
        sockopt::set_socket_recv_buffer_size(listener, 64 * 1024).unwrap();
        let (mut control, _) = listener.accept().unwrap();
        for number in 0.. {
            if control.read_exact(&mut [0]).is_err() {
                return;
            }
            let (mut stream, _) = listener.accept().unwrap();
            let (mut space, mut got, mut wrong) = (vec![0; PART], 0, 0_u64);
            while let length @ 1.. = stream.read(&mut space).unwrap() {
                let bytes = space[..length].iter().zip(got..);
                wrong += bytes.filter(|&(&b, at)| b != byte(number, at)).count() as u64;
                got += length;
            }
            for figure in [got as u64, wrong] {
                control.write_all(&figure.to_be_bytes()).unwrap();
            }
        }
    }

    struct Sender<'a> {
        address: &'a str,
        control: TcpStream,
        streams: usize,
    }

    impl Sender<'_> {
        /// Sends a stream by `run`, which gives its length; returns the number of bytes that arrived wrong.
        fn stream(&mut self, reads: Reads, run: impl FnOnce(usize, TcpStream) -> usize) -> u64 {
            let number = self.streams;
            self.streams += 1;
            if let Reads::AtOnce = reads {
                self.control.write_all(b"g").unwrap();
            }
            let out = TcpStream::connect(self.address).unwrap();
            out.set_nonblocking(true).unwrap();
            let sent = run(number, out);
            if let Reads::Late = reads {
                self.control.write_all(b"g").unwrap();
            }
            let mut figures = [[0; 8]; 2];
            for figure in &mut figures {
                self.control.read_exact(figure).unwrap();
            }
            let [got, wrong] = figures.map(u64::from_be_bytes);
            assert_eq!(got, sent as u64, "stream {number} is cut");
            wrong
        }
    }

    fn send_to(address: &str, reads: Reads) {
        let control = loop {
            match TcpStream::connect(address) {
                Ok(control) => break control,
                // The other end is not there yet.
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => thread::yield_now(),
                Err(e) => panic!("{address}: {e}"),
            }
        };
        let mut sender = Sender { address, control, streams: 0 };

        // More than once, should this process have to wait between the two steps while the wire does not.
        let wrong =
            (0..10).map(|_| sender.stream(reads, overwrite_at_once)).find(|&wrong| wrong > 0);
        let wrong = wrong.expect("the wire shows nothing, so that nothing here could fail");
        println!("overwritten after a bare MSG_ZEROCOPY send: {wrong} wrong bytes");

        // Only a small pool has every block used again.
        let pool = Pool::builder().chunk_size(1 << 20).max_memory(1 << 20).thread_cache(0).build();
        let mut in_flight = 0;
        for _ in 0..6 {
            let wrong = sender.stream(Reads::AtOnce, |number, out| {
                use_when_told(&pool, number, &out, &mut in_flight)
            });
            assert_eq!(wrong, 0, "memory was reused before the kernel was done with it");
        }
        println!(
            "reused as soon as the queue releases it: 0 wrong bytes, {in_flight} bytes were in flight"
        );
        assert!(in_flight > 2 << 20);

        let mut in_flight = 0;
        for ending in [Ending::Socket, Ending::Queue, Ending::Half].into_iter().cycle().take(6) {
            let wrong = sender.stream(reads, |number, out| {
                use_after_the_end(&pool, number, out, ending, &mut in_flight)
            });
            assert_eq!(wrong, 0, "memory was reused after the queue was dropped");
        }
        println!(
            "reused after the queue was dropped: 0 wrong bytes, {in_flight} bytes were in flight"
        );
        #[cfg(feature = "testing")]
        assert_eq!(bytebuf::testing::sends_in_flight(), 0);
        assert!(in_flight > 6 * PART as u64);
    }

    fn wait(out: &TcpStream, flags: PollFlags) {
        poll(&mut [PollFd::new(out, flags)], None).unwrap();
    }

    /// The control: the memory is not held for the kernel.
    fn overwrite_at_once(number: usize, out: TcpStream) -> usize {
        let on: i32 = 1;
        // SAFETY: the option's value is an int, which is read during the call.
        let set = unsafe {
            libc::setsockopt(
                out.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ZEROCOPY,
                (&raw const on).cast(),
                size_of::<i32>() as u32,
            )
        };
        assert_eq!(set, 0);
        let mut memory: Vec<u8> = (0..16 * PART).map(|at| byte(number, at)).collect();
        let zero_copy = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY as u32);
        let sent = send(&out, &memory, zero_copy).unwrap();
        memory.fill(FOREIGN);
        out.shutdown(Shutdown::Write).unwrap();
        // The memory is not freed: no other owner may see these writes.
        memory.leak();
        sent
    }

    /// Part of a stream, in memory that is filled with something else first.
    fn part(pool: &Pool, number: usize, start: usize) -> Option<bytebuf::ByteBuf> {
        let mut part = pool.try_alloc(PART).ok()?;
        part.resize(PART, FOREIGN);
        for (at, space) in (start..).zip(part.iter_mut()) {
            *space = byte(number, at);
        }
        Some(part)
    }

    /// Fills every block that the pool gives while others are under way.
    fn use_when_told(pool: &Pool, number: usize, out: &TcpStream, in_flight: &mut u64) -> usize {
        let mut queue = WriteQueue::new().with_zero_copy(PART / 2);
        let mut length = 0;
        for _ in 0..16 {
            let part = loop {
                match part(pool, number, length) {
                    Some(part) => break part,
                    // All memory of the pool is in flight.
                    None => {
                        wait(out, PollFlags::empty());
                        queue.reap_completions(out).unwrap();
                    }
                }
            };
            length += part.len();
            queue.push(part);
            while let Flush::WouldBlock(_) | Flush::BudgetSpent(_) = queue.flush(out).unwrap() {
                wait(out, PollFlags::OUT);
            }
        }
        out.shutdown(Shutdown::Write).unwrap();
        *in_flight += queue.stats().zero_copy_bytes;
        length
    }

    #[derive(Clone, Copy)]
    enum Ending {
        /// The socket is closed before the queue is dropped.
        Socket,
        /// The queue is dropped before the socket is closed.
        Queue,
        /// The socket is shut down for writing and stays open; completions are not read.
        Half,
    }

    /// Fills the socket, ends the queue, and writes to all memory of the pool.
    fn use_after_the_end(
        pool: &Pool,
        number: usize,
        out: TcpStream,
        ending: Ending,
        in_flight: &mut u64,
    ) -> usize {
        let mut queue = WriteQueue::new().with_zero_copy(PART / 2);
        let mut start = 0;
        while let Some(part) = part(pool, number, start) {
            start += part.len();
            queue.push(part);
        }
        let sent = queue.flush(&out).unwrap().bytes() as usize;
        *in_flight += queue.in_flight_bytes();
        match ending {
            Ending::Socket => {
                drop(out);
                drop(queue);
            }
            Ending::Queue => {
                drop(queue);
                drop(out);
            }
            Ending::Half => {
                out.shutdown(Shutdown::Write).unwrap();
                drop(queue);
                // It is closed when the process ends.
                std::mem::forget(out);
            }
        }
        let mut all = Vec::new();
        while let Ok(mut other) = pool.try_alloc(PART) {
            other.resize(PART, FOREIGN);
            all.push(other);
        }
        assert!(all.len() >= 8, "the memory has come back: {}", all.len());
        sent
    }
}
