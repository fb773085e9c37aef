//! The other side: requests frame by frame, and batches that need not be right.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytebuf::Peek;
use bytes::BufMut;

use crate::api::Api;
use crate::batch::HEAD;
pub(crate) use crate::batches::seal;
use crate::batches::{Codec, build};
use crate::wire::{Reader, Write};

pub(crate) struct Client {
    stream: TcpStream,
    correlation: i32,
}

/// What came back for a produce request: error code and offset of the first record.
pub(crate) type Produced = (i16, i64);

/// What came back for a partition of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) code: i16,
    pub(crate) end: i64,
    pub(crate) batches: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).unwrap())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, correlation: 0 }
    }

    /// Connects from this address.
    #[cfg(target_os = "linux")]
    pub(crate) fn connect_from(from: [u8; 4], address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((from, 0))).unwrap();
        connect(&socket, &address).unwrap();
        Self::of(socket.into())
    }

    /// Connects with a small receive buffer, so that most of what it does not read stays with the broker.
    pub(crate) fn connect_narrow(address: SocketAddr) -> Self {
        let client = Self::connect(address);
        rustix::net::sockopt::set_socket_recv_buffer_size(&client.stream, 64 << 10).unwrap();
        client
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Everything up to the end of the connection, which the broker closes.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // It resets what was sent and not received; that too is an end.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    /// Whether the broker closes the connection within a time in which it sends nothing.
    pub(crate) fn is_closed_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        match self.stream.read(&mut [0]) {
            Ok(n) => n == 0,
            Err(error) => {
                !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
            }
        }
    }

    /// Sends a request, and returns its correlation id.
    pub(crate) fn send(&mut self, api: Api, version: i16, body: &[u8]) -> io::Result<i32> {
        self.correlation += 1;
        self.send_bytes(&frame(api.key(), version, self.correlation, body))?;
        Ok(self.correlation)
    }

    /// Receives a response: its correlation id and its body.
    pub(crate) fn receive(&mut self) -> io::Result<(i32, Vec<u8>)> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut response = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut response)?;
        let body = response.split_off(4);
        Ok((response.peek_i32(0).unwrap(), body))
    }

    pub(crate) fn ask(&mut self, api: Api, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
        let asked = self.send(api, version, body)?;
        let (answered, body) = self.receive()?;
        assert_eq!(answered, asked);
        Ok(body)
    }

    /// Makes sure that topics exist; returns their error codes and numbers of partitions.
    pub(crate) fn topics(&mut self, names: &[&str]) -> Vec<(i16, String, usize)> {
        let mut body = Vec::new();
        body.put_array(names.iter(), |out, name| out.put_string(name));
        body.put_bool(true);
        let body = self.ask(Api::Metadata, 5, &body).unwrap();
        let mut r = Reader::new(&body);
        r.i32().unwrap();
        let broker = |r: &mut Reader<'_>| {
            r.i32()?;
            r.string()?;
            r.i32()?;
            r.nullable_string().map(drop)
        };
        r.array(1, broker).unwrap();
        r.nullable_string().unwrap();
        r.i32().unwrap();
        let partition = |r: &mut Reader<'_>| {
            r.i16()?;
            r.i32()?;
            r.i32()?;
            r.array(4, Reader::i32)?;
            r.array(4, Reader::i32)?;
            r.array(4, Reader::i32)?;
            Ok(())
        };
        let topic = |r: &mut Reader<'_>| {
            let (code, name) = (r.i16()?, r.string()?.to_owned());
            r.bool()?;
            Ok((code, name, r.array(10, partition)?.len()))
        };
        let topics = r.array(7, topic).unwrap();
        r.end().unwrap();
        topics
    }

    pub(crate) fn produce(&mut self, topic: &str, acks: i16, batches: &[u8]) -> Produced {
        let body = produce(topic, 0, acks, batches);
        let body = self.ask(Api::Produce, 7, &body).unwrap();
        produced(&body)
    }

    pub(crate) fn fetch(&mut self, topic: &str, offset: i64, limits: Limits) -> Fetched {
        let body = fetch(topic, &[0], offset, limits);
        let body = self.ask(Api::Fetch, 11, &body).unwrap();
        fetched(&body).remove(0)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) wait_ms: i32,
    pub(crate) min: i32,
    pub(crate) max: i32,
    pub(crate) partition: i32,
}

/// All there is, at once.
pub(crate) const ALL: Limits = Limits { wait_ms: 0, min: 0, max: i32::MAX, partition: i32::MAX };

/// A request with its length in front.
pub(crate) fn frame(key: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    request.put_i16(key);
    request.put_i16(version);
    request.put_i32(correlation);
    request.put_nullable_string(Some("test"));
    request.put_slice(body);
    let mut frame = Vec::new();
    frame.put_bytes_field(&request);
    frame
}

pub(crate) fn produce(topic: &str, partition: i32, acks: i16, batches: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_nullable_string(None);
    body.put_i16(acks);
    body.put_i32(1000);
    body.put_array([topic].into_iter(), |out, topic| {
        out.put_string(topic);
        out.put_array([batches].into_iter(), |out, batches| {
            out.put_i32(partition);
            out.put_bytes_field(batches);
        });
    });
    body
}

pub(crate) fn produced(body: &[u8]) -> Produced {
    let mut r = Reader::new(body);
    let topic = |r: &mut Reader<'_>| {
        r.string()?;
        r.array(4, |r| {
            r.i32()?;
            let produced = (r.i16()?, r.i64()?);
            r.i64()?;
            r.i64()?;
            Ok(produced)
        })
    };
    let topics = r.array(4, topic).unwrap();
    r.i32().unwrap();
    r.end().unwrap();
    topics[0][0]
}

pub(crate) fn fetch(topic: &str, partitions: &[i32], offset: i64, limits: Limits) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i32(-1);
    body.put_i32(limits.wait_ms);
    body.put_i32(limits.min);
    body.put_i32(limits.max);
    body.put_i8(0);
    body.put_i32(0);
    body.put_i32(-1);
    body.put_array([topic].into_iter(), |out, topic| {
        out.put_string(topic);
        out.put_array(partitions.iter(), |out, partition| {
            out.put_i32(*partition);
            out.put_i32(-1);
            out.put_i64(offset);
            out.put_i64(-1);
            out.put_i32(limits.partition);
        });
    });
    body.put_i32(0);
    body.put_string("");
    body
}

pub(crate) fn fetched(body: &[u8]) -> Vec<Fetched> {
    let mut r = Reader::new(body);
    r.i32().unwrap();
    assert_eq!((r.i16(), r.i32()), (Ok(0), Ok(0)), "no session");
    let partition = |r: &mut Reader<'_>| {
        r.i32()?;
        let (code, end) = (r.i16()?, r.i64()?);
        r.i64()?;
        r.i64()?;
        assert_eq!((r.i32()?, r.i32()?), (-1, -1));
        Ok(Fetched { code, end, batches: r.bytes()?.to_vec() })
    };
    let topic = |r: &mut Reader<'_>| {
        r.string()?;
        r.array(4, partition)
    };
    let mut topics = r.array(4, topic).unwrap();
    r.end().unwrap();
    topics.remove(0)
}

/// A batch of these records, as a producer sends it.
pub(crate) fn batch(records: &[&[u8]], producer: Option<(i64, i16, i32)>) -> Vec<u8> {
    build(records, producer, Codec::None)
}

/// Offsets and values of the records in batches that [`batch`] made.
pub(crate) fn records(mut batches: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    while !batches.is_empty() {
        let batch = crate::batch::parse(batches).unwrap();
        let mut at = HEAD;
        for n in 0..i64::from(batch.records) {
            varint(batches, &mut at); // length
            at += 1; // attributes
            assert_eq!(varint(batches, &mut at), 0);
            assert_eq!(varint(batches, &mut at), n);
            assert_eq!(varint(batches, &mut at), -1);
            let length = varint(batches, &mut at) as usize;
            found.push((batch.base_offset + n, batches[at..at + length].to_vec()));
            at += length;
            assert_eq!(varint(batches, &mut at), 0);
        }
        assert_eq!(at, batch.length);
        batches = &batches[batch.length..];
    }
    found
}

fn varint(bytes: &[u8], at: &mut usize) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return (value >> 1) as i64 ^ -((value & 1) as i64);
        }
    }
}
