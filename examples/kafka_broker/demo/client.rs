//! A client for where no other is installed, and kcat for where it is.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use bytes::BufMut;

use super::batches::{Codec, build};
use crate::api::Api;
use crate::batch;
use crate::wire::{Reader, Write};

/// Requests that are sent before the first is answered; other clients do so by default.
const IN_FLIGHT: usize = 5;

/// What one fetch may bring; other clients ask for this by default.
const FETCH: i32 = 1 << 20;

/// The client that produces and consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Kcat,
    /// The one of this file.
    Own,
}

impl Client {
    pub(crate) fn find() -> Self {
        let mut kcat = Command::new("kcat");
        match kcat.arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Self::Kcat,
            _ => Self::Own,
        }
    }

    /// Produces the values, so many in a batch.
    pub(crate) fn produce(
        self,
        broker: SocketAddr,
        topic: &str,
        values: &[Vec<u8>],
        per_batch: usize,
        codec: Codec,
    ) -> io::Result<()> {
        if self == Self::Own {
            return produce(broker, topic, values, per_batch, codec);
        }
        let options = [
            format!("batch.num.messages={per_batch}"),
            // Long enough that a batch is full before it is sent.
            format!("linger.ms={}", if per_batch == 1 { 0 } else { 50 }),
            "batch.size=100000000".to_owned(),
            format!("max.in.flight={IN_FLIGHT}"),
        ];
        let mut kcat = kcat(broker, topic);
        kcat.args(["-P", "-z", codec.name()]);
        kcat.args(options.iter().flat_map(|option| ["-X", option]));
        let mut running = kcat.stdin(Stdio::piped()).spawn()?;
        let lines = values.join(&b'\n');
        running.stdin.take().expect("it is piped").write_all(&lines)?;
        ended(running.wait()?)
    }

    /// Consumes so many records, and returns the number of their bytes.
    pub(crate) fn consume(
        self,
        broker: SocketAddr,
        topic: &str,
        records: usize,
    ) -> io::Result<u64> {
        if self == Self::Own {
            return consume(broker, topic, records);
        }
        let mut kcat = kcat(broker, topic);
        kcat.args(["-C", "-o", "beginning", "-X", "check.crcs=true", "-c", &records.to_string()]);
        let output = kcat.stderr(Stdio::inherit()).output()?;
        ended(output.status)?;
        Ok((output.stdout.len() - records) as u64)
    }
}

fn kcat(broker: SocketAddr, topic: &str) -> Command {
    let mut kcat = Command::new("kcat");
    kcat.args(["-q", "-b", &broker.to_string(), "-t", topic]);
    kcat
}

fn ended(status: std::process::ExitStatus) -> io::Result<()> {
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("kcat: {status}"))) }
}

/// One connection, with responses in the order of the requests.
struct Connection {
    stream: TcpStream,
    unanswered: usize,
}

impl Connection {
    fn open(broker: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unanswered: 0 })
    }

    fn send(&mut self, api: Api, version: i16, body: &[u8]) -> io::Result<()> {
        let mut request = Vec::with_capacity(body.len() + 20);
        request.put_i16(api.key());
        request.put_i16(version);
        request.put_i32(0);
        request.put_nullable_string(Some("demo"));
        request.put_slice(body);
        let length = request.len() as u32;
        self.stream.write_all(&[&length.to_be_bytes()[..], &request].concat())?;
        self.unanswered += 1;
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut response = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut response)?;
        self.unanswered -= 1;
        Ok(response.split_off(4))
    }

    fn make_topic(&mut self, topic: &str) -> io::Result<()> {
        let mut body = Vec::new();
        body.put_array([topic].into_iter(), |out, topic| out.put_string(topic));
        self.send(Api::Metadata, 1, &body)?;
        self.receive().map(drop)
    }

    /// Receives what became of a batch.
    fn acknowledged(&mut self) -> io::Result<()> {
        let body = self.receive()?;
        let mut r = Reader::new(&body);
        let code = r.array(1, |r| {
            r.string()?;
            r.i32()?;
            r.i32()?;
            r.i16()
        });
        match code.as_deref() {
            Ok([0]) => Ok(()),
            other => Err(io::Error::other(format!("a batch was refused: {other:?}"))),
        }
    }
}

fn produce(
    broker: SocketAddr,
    topic: &str,
    values: &[Vec<u8>],
    per_batch: usize,
    codec: Codec,
) -> io::Result<()> {
    let mut connection = Connection::open(broker)?;
    connection.make_topic(topic)?;
    for values in values.chunks(per_batch) {
        let values: Vec<_> = values.iter().map(|value| &value[..]).collect();
        let batch = build(&values, None, codec);
        let mut body = Vec::new();
        body.put_nullable_string(None);
        body.put_i16(-1);
        body.put_i32(30_000);
        body.put_array([topic].into_iter(), |out, topic| {
            out.put_string(topic);
            out.put_array([&batch].into_iter(), |out, batch| {
                out.put_i32(0);
                out.put_bytes_field(batch);
            });
        });
        if connection.unanswered == IN_FLIGHT {
            connection.acknowledged()?;
        }
        connection.send(Api::Produce, 7, &body)?;
    }
    while connection.unanswered > 0 {
        connection.acknowledged()?;
    }
    Ok(())
}

fn consume(broker: SocketAddr, topic: &str, records: usize) -> io::Result<u64> {
    let mut connection = Connection::open(broker)?;
    let (mut offset, mut bytes) = (0, 0);
    while offset < records as i64 {
        let mut body = Vec::new();
        for number in [-1, 500, 1, i32::MAX] {
            body.put_i32(number); // replica, wait, least and most bytes
        }
        body.put_i8(0);
        body.put_array([topic].into_iter(), |out, topic| {
            out.put_string(topic);
            out.put_array([offset].into_iter(), |out, offset| {
                out.put_i32(0);
                out.put_i64(offset);
                out.put_i32(FETCH);
            });
        });
        connection.send(Api::Fetch, 4, &body)?;
        let body = connection.receive()?;
        let mut batches = batches(&body).map_err(io::Error::other)?;
        bytes += batches.len() as u64;
        while !batches.is_empty() {
            let batch = batch::parse(batches).map_err(io::Error::other)?;
            offset = offset.max(batch.base_offset + i64::from(batch.records));
            batches = &batches[batch.length..];
        }
    }
    Ok(bytes)
}

/// The batches of the one partition in the response to a fetch.
fn batches(body: &[u8]) -> Result<&[u8], crate::wire::Malformed> {
    let mut r = Reader::new(body);
    r.i32()?;
    let mut found = r.array(1, |r| {
        r.string()?;
        r.i32()?; // one partition
        r.i32()?;
        r.i16()?;
        r.i64()?;
        r.i64()?;
        r.i32()?;
        r.bytes()
    })?;
    Ok(found.pop().unwrap_or_default())
}
