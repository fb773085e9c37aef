//! The other side of the protocol: what producers and consumers do.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

#[derive(Debug)]
pub(crate) struct Client(BufReader<TcpStream>);

/// What a fetch brought.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        Ok(Client(BufReader::new(stream)))
    }

    /// Sends records without waiting for the answers.
    pub(crate) fn append<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r [u8]>,
    ) -> io::Result<()> {
        let mut requests = Vec::new();
        for record in records {
            requests.push(1);
            requests.extend_from_slice(&(record.len() as u32).to_le_bytes());
            requests.extend_from_slice(record);
        }
        self.0.get_mut().write_all(&requests)
    }

    /// Waits for the next answer to an append: the offset of the record, which is safe now.
    pub(crate) fn appended(&mut self) -> io::Result<u64> {
        self.verdict()?;
        self.u64()
    }

    /// Fetches up to `most` bytes from `offset` on; waits if that is the end.
    pub(crate) fn fetch(&mut self, offset: u64, most: u32) -> io::Result<Batch> {
        let mut request = vec![2];
        request.extend_from_slice(&offset.to_le_bytes());
        request.extend_from_slice(&most.to_le_bytes());
        self.0.get_mut().write_all(&request)?;
        self.verdict()?;
        let start = self.u64()?;
        let length = self.u32()?;
        Ok(Batch { start, bytes: self.bytes(length)? })
    }

    fn verdict(&mut self) -> io::Result<()> {
        let mut verdict = [0];
        self.0.read_exact(&mut verdict)?;
        if verdict == [0] {
            return Ok(());
        }
        let length = self.u32()?;
        Err(io::Error::other(String::from_utf8_lossy(&self.bytes(length)?).into_owned()))
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn bytes(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.by_ref().take(length.into()).read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

impl Batch {
    /// The whole records, each with its offset.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let offset = self.start + (self.bytes.len() - rest.len()) as u64;
            let length = u32::from_le_bytes(*rest.first_chunk()?) as usize;
            let record = rest.get(8..8 + length)?;
            rest = &rest[8 + length..];
            Some((offset, record))
        })
    }

    /// Where to fetch next.
    pub(crate) fn end(&self) -> u64 {
        self.records()
            .last()
            .map_or(self.start, |(offset, record)| offset + 8 + record.len() as u64)
    }
}
