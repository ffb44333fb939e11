//! HTTP/2 at both ends: a client and a provider, from hyper. Its frames are not the gateway's business, so no test reads
//! them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The runtime of everything in these tests that is asynchronous.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// One HTTP/2 connection to a gateway.
#[derive(Clone)]
pub struct Client(SendRequest<Body>);

type Body = BoxBody<Bytes, Infallible>;

impl Client {
    /// Without TLS, without an upgrade.
    pub async fn connect(address: SocketAddr) -> Client {
        Self::over(
            TcpStream::connect(address)
                .await
                .expect("the gateway takes connections"),
        )
        .await
    }

    /// With TLS; HTTP/2 has to be agreed on.
    pub async fn connect_tls(address: SocketAddr, mut config: ClientConfig, name: &str) -> Client {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address)
            .await
            .expect("the gateway takes connections");
        let name = name.to_owned().try_into().expect("a valid name");
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        Self::over(stream).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Client {
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (client, connection) = shaken.expect("HTTP/2");
        tokio::spawn(connection);
        Client(client)
    }

    /// Sends a request with a key; the answer's head.
    pub async fn post(&mut self, path: &str, key: &str, body: impl Into<Bytes>) -> Response<Incoming> {
        self.post_body(path, key, Full::new(body.into()).boxed()).await
    }

    /// The same with trailers.
    pub async fn post_with_trailers(
        &mut self,
        path: &str,
        key: &str,
        body: &'static str,
        trailers: &[(&'static str, &'static str)],
    ) -> Response<Incoming> {
        let trailers: HeaderMap = trailers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let trailers = std::future::ready(Some(Ok(trailers)));
        let body = Full::new(Bytes::from(body)).with_trailers(trailers);
        self.post_body(path, key, body.boxed()).await
    }

    async fn post_body(&mut self, path: &str, key: &str, body: Body) -> Response<Incoming> {
        let request = Request::post(format!("http://gateway.test{path}"))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(body)
            .expect("a valid request");
        self.0.ready().await.expect("the connection is open");
        self.0.send_request(request).await.expect("an answer")
    }
}

/// All of an answer's body.
pub async fn whole(answer: Response<Incoming>) -> Bytes {
    answer
        .into_body()
        .collect()
        .await
        .expect("a whole body")
        .to_bytes()
}

/// A provider that speaks HTTP/2 only and answers every request with the same body.
pub struct Provider {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Provider {
    pub fn start(tls: ServerConfig, content_type: &'static str, body: &'static str) -> Provider {
        let listener = runtime()
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let counted = connections.clone();
        runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    serve(stream, content_type, body).await;
                });
            }
        });
        Provider { address, connections }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    content_type: &'static str,
    body: &'static str,
) {
    let answer = move |request: Request<Incoming>| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        let _ = request.into_body().collect().await;
        let answer = Response::builder()
            .header("content-type", content_type)
            .body(Full::new(Bytes::from(body)));
        Ok::<_, Infallible>(answer.expect("a valid answer"))
    };
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
}
