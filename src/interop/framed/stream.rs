//! Common methods of the three types over a stream: access to the stream and the codec, receiving, sending.
//!
//! Macros define them, since in `tokio_util` they are methods of the types, not of a trait.

/// Defines access to the stream and the codec.
macro_rules! over_stream {
    ($type:ident, $codec:ident, $codec_mut:ident, $codec_pin_mut:ident) => {
        impl<T, C> $type<T, C> {
            /// Returns the stream.
            pub fn get_ref(&self) -> &T {
                &self.inner
            }

            /// Returns the stream mutably. The caller should not read from it or write to it: that breaks the
            /// sequence of frames.
            pub fn get_mut(&mut self) -> &mut T {
                &mut self.inner
            }

            /// Returns the pinned stream; otherwise as [`get_mut`](Self::get_mut).
            pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut T> {
                self.project().inner
            }

            /// Returns the stream and drops the buffers; [`into_parts`](Self::into_parts) returns them too.
            pub fn into_inner(self) -> T {
                self.inner
            }

            #[doc = concat!("Returns the ", stringify!($codec), ".")]
            pub fn $codec(&self) -> &C {
                &self.codec
            }

            #[doc = concat!("Returns the ", stringify!($codec), " mutably.")]
            pub fn $codec_mut(&mut self) -> &mut C {
                &mut self.codec
            }

            #[doc = concat!("Returns the ", stringify!($codec), " of a pinned stream mutably.")]
            pub fn $codec_pin_mut(self: Pin<&mut Self>) -> &mut C {
                self.project().codec
            }
        }
    };
}

macro_rules! receives_frames {
    ($type:ident) => {
        impl<T, D> $type<T, D> {
            /// Returns the received bytes that are not decoded.
            pub fn read_buffer(&self) -> &ByteBuf {
                &self.incoming.buffer
            }

            /// Returns the received bytes that are not decoded, mutably. The next blocks come from the pool of
            /// the buffer: `*framed.read_buffer_mut() = tenant.alloc(0)` receives into the budget of a tenant.
            pub fn read_buffer_mut(&mut self) -> &mut ByteBuf {
                &mut self.incoming.buffer
            }
        }

        impl<T: AsyncRead, D: Decoder> $type<T, D> {
            /// Waits for the next frame. It is `next` of the stream, without an extension trait.
            ///
            /// # Errors
            ///
            /// Those of the reader and of the decoder.
            pub async fn next_frame(&mut self) -> Option<Result<D::Item, D::Error>>
            where
                T: Unpin,
            {
                let mut this = Pin::new(self);
                poll_fn(|cx| this.as_mut().poll_next(cx)).await
            }
        }

        impl<T: AsyncRead, D: Decoder> Stream for $type<T, D> {
            type Item = Result<D::Item, D::Error>;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                let this = self.project();
                this.incoming.poll_next(this.inner, this.codec, cx)
            }
        }
    };
}

macro_rules! sends_frames {
    ($type:ident) => {
        impl<T, E> $type<T, E> {
            /// Returns the encoded frames that are not sent.
            pub fn write_buffer(&self) -> &WriteQueue {
                &self.outgoing.queue
            }

            /// Returns the encoded frames that are not sent, mutably.
            pub fn write_buffer_mut(&mut self) -> &mut WriteQueue {
                &mut self.outgoing.queue
            }

            /// Returns the number of queued bytes above which the next frame waits until half of them are
            /// sent: the high watermark of the queue, 64 KiB by default.
            pub fn backpressure_boundary(&self) -> usize {
                self.outgoing.boundary()
            }

            /// Sets the number of queued bytes above which the next frame waits until half of them are sent.
            /// [`WriteQueue::is_writable`] describes how they are counted.
            pub fn set_backpressure_boundary(&mut self, boundary: usize) {
                self.outgoing.set_boundary(boundary);
            }

            /// Encodes a frame into the queue and sends nothing.
            ///
            /// # Errors
            ///
            /// Those of the encoder. The queue does not change then.
            pub fn push_frame<I>(&mut self, item: I) -> Result<(), E::Error>
            where
                E: Encoder<I>,
            {
                self.outgoing.encode(item, &mut self.codec)
            }
        }

        impl<T: AsyncWrite + Unpin, E> $type<T, E> {
            /// Encodes a frame and sends all queued frames. It is `send` of the sink, without an extension trait.
            ///
            /// Waits first if the queue is not writable. If the future is dropped after the frame was encoded,
            /// the frame stays in the queue.
            ///
            /// # Errors
            ///
            /// Those of the encoder, after which the queue is as before, and of the writer.
            pub async fn send_frame<I>(&mut self, item: I) -> Result<(), E::Error>
            where
                E: Encoder<I>,
            {
                let Self { inner, codec, outgoing, .. } = self;
                poll_fn(|cx| outgoing.poll_ready(Pin::new(&mut *inner), cx)).await?;
                outgoing.encode(item, codec)?;
                Ok(poll_fn(|cx| outgoing.poll_flush(Pin::new(&mut *inner), cx)).await?)
            }
        }

        #[cfg(unix)]
        impl<T: WriteReady, E> $type<T, E> {
            /// Sends all queued frames to a socket or pipe of tokio. The kernel sends the files, which a
            /// [`Sink`] would read. If the future is dropped, the unsent bytes stay in the queue.
            ///
            /// # Errors
            ///
            /// As [`WriteQueue::flush`].
            pub async fn flush_all(&mut self) -> io::Result<()> {
                self.outgoing.queue.flush_all(&self.inner).await
            }
        }

        impl<T: AsyncWrite, I, E: Encoder<I>> Sink<I> for $type<T, E> {
            type Error = E::Error;

            fn poll_ready(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Result<(), E::Error>> {
                let this = self.project();
                this.outgoing.poll_ready(this.inner, cx).map_err(E::Error::from)
            }

            fn start_send(self: Pin<&mut Self>, item: I) -> Result<(), E::Error> {
                let this = self.project();
                this.outgoing.encode(item, this.codec)
            }

            fn poll_flush(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Result<(), E::Error>> {
                let this = self.project();
                this.outgoing.poll_flush(this.inner, cx).map_err(E::Error::from)
            }

            fn poll_close(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Result<(), E::Error>> {
                let this = self.project();
                this.outgoing.poll_close(this.inner, cx).map_err(E::Error::from)
            }
        }
    };
}

pub(super) use {over_stream, receives_frames, sends_frames};
