//! Servers that speak HTTP/2, in clear or over TLS.

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
    /// Begins an answer, and resets the stream.
    ResetInTheMiddle,
    /// Answers it and all before it, and takes no more on this connection.
    OkAndGoAway,
    /// Ends the connection with an error.
    Break,
    /// Closes the connection without a word.
    Close,
}

/// What a server saw.
#[derive(Default)]
pub struct Seen {
    /// Connections that spoke HTTP/2.
    pub connections: AtomicUsize,
    /// Requests under way, and the most there were at once on all connections.
    open: AtomicUsize,
    pub most: AtomicUsize,
    pub requests: Mutex<Vec<(Request<()>, Vec<u8>)>>,
}

pub struct Http2Server {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
}

/// How a server answers: given the number of the connection, and of the request on it, both from 0. The look before any
/// load is a connection too.
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
    let mut request = 0..;
    while let Some(Ok((asked, respond))) = connection.accept().await {
        let answer = answers(number, request.next().unwrap());
        match answer {
            Answer::Close => return,
            Answer::Break => connection.abrupt_shutdown(Reason::INTERNAL_ERROR),
            Answer::OkAndGoAway => connection.graceful_shutdown(),
            _ => {}
        }
        tokio::spawn(respond_to(asked, respond, answer, Arc::clone(&seen)));
    }
}

async fn respond_to(asked: Request<RecvStream>, respond: SendResponse<Bytes>, answer: Answer, seen: Arc<Seen>) {
    let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most.fetch_max(open, Ordering::SeqCst);
    // A client that gives up is no failure of the test's.
    let _ = try_to_respond(asked, respond, answer, &seen).await;
    seen.open.fetch_sub(1, Ordering::SeqCst);
}

async fn try_to_respond(
    asked: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answer: Answer,
    seen: &Seen,
) -> Result<(), h2::Error> {
    let (head, mut body) = asked.into_parts();
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        whole.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    seen.requests.lock().unwrap().push((Request::from_parts(head, ()), whole));
    let headers = |respond: &mut SendResponse<Bytes>| {
        respond.send_response(Response::builder().header("x-a", "1").body(()).unwrap(), false)
    };
    match answer {
        Answer::Reset => respond.send_reset(Reason::INTERNAL_ERROR),
        Answer::ResetInTheMiddle => {
            let mut stream = headers(&mut respond)?;
            stream.send_data("o".into(), false)?;
            // What is queued goes before the reset, or not at all.
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

/// Bytes of that answer: names and values.
pub const OK_BYTES: u64 = 4 + 2 + 4;
