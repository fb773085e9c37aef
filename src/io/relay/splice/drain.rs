//! Writing the held bytes of a transfer to its target.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use bytes::Buf;

use super::Splice;
use super::fill::STREAM_COPY;
use crate::buf::ByteView;
use crate::io::relay::pipes;
use crate::io::scratch;
use crate::sys::{self, More, Target};

impl Splice {
    /// Writes the held bytes to the target. After an error the rest stays held.
    pub(crate) fn drain_to(&mut self, to: impl AsFd) -> io::Result<()> {
        let drained = self.write_held(Target::new(to.as_fd()));
        if drained.is_err() {
            // Release spare capacity (SP6). If the allocation panics, the bytes are still held.
            self.bytes = self.bytes.clone().compact();
        }
        drained
    }

    fn write_held(&mut self, mut target: Target<'_>) -> io::Result<()> {
        while self.held_bytes() > 0 {
            let written = if !self.bytes.is_empty() {
                self.calls += 1;
                let written = target.write(&[IoSlice::new(&self.bytes)], More::No)?;
                self.bytes.advance(written);
                written
            } else if let Some(pipe) = self.pipe.as_ref().filter(|_| !self.copies) {
                self.calls += 1;
                match sys::splice_out(pipe, target.fd(), self.in_pipe) {
                    Err(e) if sys::refuses_pair(&e) => {
                        self.copies = true;
                        continue;
                    }
                    written => {
                        let written = written?;
                        self.in_pipe -= written;
                        written
                    }
                }
            } else {
                self.read_pipe()?;
                continue;
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.moved += written as u64;
        }
        self.bytes = ByteView::new();
        self.pipe.take().into_iter().for_each(pipes::release);
        Ok(())
    }

    /// Reads bytes of the pipe into memory, because the target cannot be spliced to.
    fn read_pipe(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else { unreachable!("bytes are held, and not in memory") };
        let most = self.in_pipe.min(STREAM_COPY);
        let mut bytes = scratch::block(most)?;
        self.calls += 1;
        self.in_pipe -=
            scratch::fill(&mut bytes, most, |spare| sys::read(pipe.read.as_fd(), None, spare))?;
        self.bytes = bytes.freeze();
        Ok(())
    }
}
