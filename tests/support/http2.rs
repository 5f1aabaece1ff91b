//! HTTP/2 servers, with or without TLS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// What a server does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// 200 and `ok`.
    Ok,
    /// 200 and 3 MB.
    Large,
    /// 200 and `ok`, after a while.
    After(Duration),
    Never,
    /// Resets the stream.
    Reset,
    /// Refuses the request: it was not processed.
    Refuse,
    /// Begins a response, and resets the stream.
    ResetInTheMiddle,
    /// Sends a GOAWAY: answers this request and those before it, and no others on this connection.
    OkAndGoAway,
    /// Ends the connection with an error.
    Break,
    /// Closes the connection.
    Close,
}

/// What a server saw.
#[derive(Default)]
pub struct Seen {
    /// HTTP/2 connections so far.
    pub connections: AtomicUsize,
    /// Requests in flight on all connections, now and at most.
    in_flight: AtomicUsize,
    pub in_flight_max: AtomicUsize,
    pub requests: Mutex<Vec<(Request<()>, Vec<u8>)>>,
}

pub struct Http2Server {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
}

/// Gives the answer by the number of the connection and the number of the request on it, both from 0. The connection
/// before the load counts too.
type Answers = Arc<dyn Fn(usize, usize) -> Answer + Send + Sync>;

impl Http2Server {
    pub fn answering(answers: impl Fn(usize, usize) -> Answer + Send + Sync + 'static) -> Http2Server {
        Http2Server::start(None, Builder::new(), answers)
    }

    pub fn start(
        tls: Option<ServerConfig>,
        builder: Builder,
        answers: impl Fn(usize, usize) -> Answer + Send + Sync + 'static,
    ) -> Http2Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::new(Seen::default());
        let (saw, answers): (_, Answers) = (Arc::clone(&seen), Arc::new(answers));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
                while let Ok((stream, _)) = listener.accept().await {
                    let (builder, saw, answers) = (builder.clone(), Arc::clone(&saw), Arc::clone(&answers));
                    match acceptor.clone() {
                        None => drop(tokio::spawn(serve(stream, builder, saw, answers))),
                        Some(acceptor) => drop(tokio::spawn(async move {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, builder, saw, answers).await;
                            }
                        })),
                    }
                }
            });
        });
        Http2Server { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    builder: Builder,
    seen: Arc<Seen>,
    answers: Answers,
) {
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let number = seen.connections.fetch_add(1, Ordering::SeqCst);
    let mut requests = 0..;
    while let Some(Ok((request, respond))) = connection.accept().await {
        let answer = answers(number, requests.next().unwrap());
        match answer {
            Answer::Close => return,
            Answer::Break => connection.abrupt_shutdown(Reason::INTERNAL_ERROR),
            Answer::OkAndGoAway => connection.graceful_shutdown(),
            _ => {}
        }
        tokio::spawn(respond_to(request, respond, answer, Arc::clone(&seen)));
    }
}

async fn respond_to(request: Request<RecvStream>, respond: SendResponse<Bytes>, answer: Answer, seen: Arc<Seen>) {
    let in_flight = seen.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    seen.in_flight_max.fetch_max(in_flight, Ordering::SeqCst);
    // A client may abandon the request.
    let _ = try_to_respond(request, respond, answer, &seen).await;
    seen.in_flight.fetch_sub(1, Ordering::SeqCst);
}

async fn try_to_respond(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answer: Answer,
    seen: &Seen,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        bytes.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    seen.requests.lock().unwrap().push((Request::from_parts(head, ()), bytes));
    let headers = |respond: &mut SendResponse<Bytes>| {
        respond.send_response(Response::builder().header("x-a", "1").body(()).unwrap(), false)
    };
    match answer {
        Answer::Refuse => respond.send_reset(Reason::REFUSED_STREAM),
        Answer::Reset => respond.send_reset(Reason::INTERNAL_ERROR),
        Answer::ResetInTheMiddle => {
            let mut stream = headers(&mut respond)?;
            stream.send_data("o".into(), false)?;
            // The queued data must be sent before the reset.
            tokio::time::sleep(Duration::from_millis(5)).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        Answer::Never => {
            std::future::poll_fn(|cx| respond.poll_reset(cx)).await?;
        }
        Answer::Ok | Answer::After(_) | Answer::OkAndGoAway => {
            if let Answer::After(wait) = answer {
                tokio::time::sleep(wait).await;
            }
            let mut stream = headers(&mut respond)?;
            stream.send_data("ok".into(), false)?;
            stream.send_trailers(HeaderMap::from_iter([("x-t".parse().unwrap(), "2".parse().unwrap())]))?;
        }
        Answer::Large => headers(&mut respond)?.send_data(vec![b'x'; 3_000_000].into(), true)?,
        Answer::Break | Answer::Close => {}
    }
    Ok(())
}

/// The length of the names and values of [`Answer::Ok`], and of its body.
pub const OK_BYTES: u64 = 4 + 2 + 4;
