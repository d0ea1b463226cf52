//! `naive`: both data planes as a competent engineer writes them in an afternoon, to compare with.
//!
//! hyper, tokio and rust-rdkafka by their books, one thread, no limits, no retries, no filters, no
//! ordering, no graceful end. Not for use.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::{Parser, Subcommand};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "The naive peers of receiver and dispatcher, to compare with")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Binary CloudEvents over HTTP to a topic, 202 after the delivery report.
    Receiver {
        bootstrap: String,
        topic: String,
        #[arg(long)]
        port: u16,
        /// librdkafka's linger.ms; the shipped properties say 0.
        #[arg(long, default_value = "0")]
        linger_ms: String,
    },
    /// A topic, from its beginning, to a subscriber.
    Dispatcher {
        bootstrap: String,
        topic: String,
        group: String,
        url: hyper::Uri,
        /// Requests on their way at a time.
        #[arg(long, default_value_t = 100)]
        in_flight: usize,
    },
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match Arguments::parse().what {
        What::Receiver { bootstrap, topic, port, linger_ms } => {
            runtime.block_on(receive(&bootstrap, &topic, port, &linger_ms))
        }
        What::Dispatcher { bootstrap, topic, group, url, in_flight } => {
            runtime.block_on(dispatch(&bootstrap, &topic, &group, url, in_flight))
        }
    }
}

async fn receive(bootstrap: &str, topic: &str, port: u16, linger: &str) -> Result<(), Failure> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("linger.ms", linger)
        .set("partitioner", "murmur2_random")
        .create()?;
    let topic: Arc<str> = topic.into();
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (producer, topic) = (producer.clone(), topic.clone());
        tokio::spawn(async move {
            let service =
                service_fn(move |request| accept(producer.clone(), topic.clone(), request));
            // A connection that breaks is its client's to notice.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn accept(
    producer: FutureProducer,
    topic: Arc<str>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let answer = |status| {
        let mut response = Response::new(Empty::new());
        *response.status_mut() = status;
        Ok(response)
    };
    let Ok(body) = body.collect().await else { return answer(StatusCode::BAD_REQUEST) };
    let body = body.to_bytes();
    let mut headers = OwnedHeaders::new_with_capacity(16);
    let mut key = None;
    for (name, value) in &head.headers {
        let name = match name.as_str().strip_prefix("ce-") {
            Some(attribute) => format!("ce_{attribute}"),
            None if name == "content-type" => "content-type".to_owned(),
            None => continue,
        };
        if name == "ce_partitionkey" {
            key = Some(value.as_bytes().to_vec());
        }
        headers = headers.insert(Header { key: &name, value: Some(value.as_bytes()) });
    }
    let mut record = FutureRecord::to(&topic).payload(&body[..]).headers(headers);
    if let Some(key) = &key {
        record = record.key(key);
    }
    match producer.send(record, Duration::from_secs(60)).await {
        Ok(_) => answer(StatusCode::ACCEPTED),
        Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn dispatch(
    bootstrap: &str,
    topic: &str,
    group: &str,
    url: hyper::Uri,
    in_flight: usize,
) -> Result<(), Failure> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[topic])?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let seats = Arc::new(Semaphore::new(in_flight));
    loop {
        let seat = seats.clone().acquire_owned().await?;
        let message = consumer.recv().await?.detach();
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move {
            if let Err(error) = post(&client, url, message).await {
                eprintln!("{error}");
            }
            drop(seat);
        });
    }
}

type HttpClient = Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;

async fn post(client: &HttpClient, url: hyper::Uri, message: OwnedMessage) -> Result<(), Failure> {
    let mut request = Request::post(url);
    if let Some(headers) = message.headers() {
        for header in headers.iter() {
            let name = header.key.replacen("ce_", "ce-", 1);
            request = request.header(name, header.value.unwrap_or_default());
        }
    }
    let body = Bytes::copy_from_slice(message.payload().unwrap_or_default());
    let response = client.request(request.body(Full::new(body))?).await?;
    response.into_body().collect().await?;
    Ok(())
}
