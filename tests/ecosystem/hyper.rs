//! Bodies of hyper's requests and responses.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use ::tokio::spawn;
use bytebuf::{ByteView, CompositeByteBuf};
use bytes::Buf;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};

use crate::recorder::{Recorder, Writes};
use crate::resource_baseline::ResourceBaseline;
use crate::test_runtime::run;

/// A body of one frame; its length is sent ahead if it is `sized`, else it is sent in chunks.
struct OneFrame<D> {
    data: Option<D>,
    sized: bool,
}

impl<D> OneFrame<D> {
    fn sized(data: D) -> Self {
        Self { data: Some(data), sized: true }
    }

    fn chunked(data: D) -> Self {
        Self { data: Some(data), sized: false }
    }
}

impl<D: Buf + Unpin> Body for OneFrame<D> {
    type Data = D;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<D>, Infallible>>> {
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.data {
            Some(data) if self.sized => SizeHint::with_exact(data.remaining() as u64),
            _ => SizeHint::new(),
        }
    }
}

/// All frames of a body, joined without copying.
async fn collect(mut body: Incoming) -> CompositeByteBuf {
    let mut all = CompositeByteBuf::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        all.extend(frame.unwrap().into_data());
    }
    all
}

/// What one side received, and what was written to its socket by it.
struct Side {
    received: CompositeByteBuf,
    writes: Writes,
}

/// A request and its answer, over a socket.
async fn exchange<Q, A>(request: OneFrame<Q>, answer: OneFrame<A>) -> [Side; 2]
where
    Q: Buf + Send + Unpin + 'static,
    A: Buf + Send + Unpin + 'static,
{
    let [(client_end, client_writes), (server_end, server_writes)] = Recorder::pair();
    let asked: Arc<Mutex<CompositeByteBuf>> = Arc::default();
    let answer = Arc::new(Mutex::new(Some(answer)));
    let service = {
        let asked = Arc::clone(&asked);
        service_fn(move |request: Request<Incoming>| {
            let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
            async move {
                let received = collect(request.into_body()).await;
                *asked.lock().unwrap() = received;
                let answer = answer.lock().unwrap().take().unwrap();
                Ok::<_, Infallible>(Response::new(answer))
            }
        })
    };
    spawn(server::conn::http1::Builder::new().serve_connection(server_end, service));
    let (mut sender, connection) = client::conn::http1::handshake(client_end).await.unwrap();
    spawn(connection);

    let request = Request::post("/").header("host", "test").body(request).unwrap();
    let received = collect(sender.send_request(request).await.unwrap().into_body()).await;
    let asked = asked.lock().unwrap().clone();
    [Side { received, writes: client_writes }, Side { received: asked, writes: server_writes }]
}

fn composite() -> CompositeByteBuf {
    (1..10_u8).map(|i| vec![i; 100 * usize::from(i)]).collect()
}

#[test]
fn the_components_of_a_composite_reach_the_socket_separately() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (question, answer) = (composite(), composite().slice(50..));
        let bodies = (OneFrame::sized(question.clone()), OneFrame::sized(answer.clone()));
        let [client, server] = exchange(bodies.0, bodies.1).await;
        assert_eq!((&client.received, &server.received), (&answer, &question));
        assert!(client.writes.has(question.components().map(|view| &view[..])));
        assert!(server.writes.has(answer.components().map(|view| &view[..])));
    });
}

#[test]
fn chunked_bodies_keep_the_components_separate() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (question, answer) = (composite(), ByteView::from(vec![7; 5000]));
        let bodies = (OneFrame::chunked(question.clone()), OneFrame::chunked(answer.clone()));
        let [client, server] = exchange(bodies.0, bodies.1).await;
        assert!(client.received == answer && server.received == question);
        assert!(client.writes.has(question.components().map(|view| &view[..])));
        assert!(server.writes.has([&answer[..]]));
    });
}

#[test]
fn views_and_empty_bodies_pass() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let question = ByteView::copy_from_slice(b"a question");
        let bodies = (OneFrame::sized(question.clone()), OneFrame::sized(ByteView::new()));
        let [client, server] = exchange(bodies.0, bodies.1).await;
        assert!(client.received.is_empty() && server.received == question);
        assert!(client.writes.has([&question[..]]));
    });
}
