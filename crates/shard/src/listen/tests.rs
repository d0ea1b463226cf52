//! Addresses, options handed on to connections, and ports that are taken.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The server's end of a connection to a listener with these options.
fn connected(options: &ListenOptions) -> (Socket, TcpStream) {
    let listener = bind(options, 1).unwrap().remove(0);
    let client = TcpStream::connect((LOOPBACK, listener.address().port())).unwrap();
    listener.listener.set_nonblocking(false).unwrap();
    (listener.listener.accept().unwrap().0.into(), client)
}

#[test]
fn all_shards_listen_on_one_chosen_port() {
    let listeners = bind(&ListenOptions::new(LOOPBACK, 0), 4).unwrap();
    let port = listeners[0].address().port();
    assert!(port > 0);
    assert!(listeners.iter().all(|listener| listener.address().port() == port));
}

#[test]
fn taken_port_is_an_error_even_if_the_other_shares_it() {
    let ours = bind(&ListenOptions::new(LOOPBACK, 0), 1).unwrap();
    let address = ours[0].address();
    for host in [LOOPBACK, IpAddr::V4(Ipv4Addr::UNSPECIFIED)] {
        let error = bind(&ListenOptions::new(host, address.port()), 2).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("is in use by another process"), "{error}");
    }
    drop(ours);
    bind(&ListenOptions::new(LOOPBACK, address.port()), 2).unwrap();
}

#[test]
fn ipv4_wildcard_also_takes_ipv6_clients() {
    let any = ListenOptions::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let listener = bind(&any, 1).unwrap().remove(0);
    let port = listener.address().port();
    listener.listener.set_nonblocking(false).unwrap();
    let v4 = TcpStream::connect((LOOPBACK, port)).unwrap();
    let (_, peer) = listener.listener.accept().unwrap();
    assert_eq!(peer.ip().to_canonical(), v4.local_addr().unwrap().ip());
    match std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
            assert!(listener.listener.accept().unwrap().1.ip().to_canonical().is_ipv6());
        }
        Err(error) => eprintln!("NOT TESTED with IPv6: {error}"),
    }
}

#[test]
fn connections_inherit_the_options() {
    let options = ListenOptions {
        keepalive: Some(KeepAlive {
            idle: Some(Duration::from_secs(70)),
            interval: Some(Duration::from_secs(7)),
            count: Some(3),
        }),
        linger: Some(Duration::from_secs(2)),
        user_timeout: Some(Duration::from_secs(30)),
        send_buffer: Some(32 * 1_024),
        receive_buffer: Some(48 * 1_024),
        traffic_class: Some(0x10),
        fast_open: true,
        backlog: Some(17),
        ..ListenOptions::new(LOOPBACK, 0)
    };
    let (server, _client) = connected(&options);
    assert!(server.tcp_nodelay().unwrap());
    assert!(server.keepalive().unwrap());
    assert_eq!(server.tcp_keepalive_time().unwrap(), Duration::from_secs(70));
    assert_eq!(server.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
    assert_eq!(server.tcp_keepalive_retries().unwrap(), 3);
    assert_eq!(server.linger().unwrap(), Some(Duration::from_secs(2)));
    assert_eq!(server.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
    // Linux doubles the sizes for its own bookkeeping.
    assert_eq!(server.send_buffer_size().unwrap(), 64 * 1_024);
    assert_eq!(server.recv_buffer_size().unwrap(), 96 * 1_024);
    assert_eq!(server.tos_v4().unwrap(), 0x10);
}

#[test]
fn nodelay_and_keepalive_can_be_off() {
    let options = ListenOptions { nodelay: false, ..ListenOptions::new(LOOPBACK, 0) };
    let (server, _client) = connected(&options);
    assert!(!server.tcp_nodelay().unwrap());
    assert!(!server.keepalive().unwrap());
    finish_accepted(&SockRef::from(&server), true).unwrap();
    assert!(server.tcp_quickack().unwrap());
}

#[test]
fn hosts_of_settings() {
    for (text, address) in [
        ("0.0.0.0", "0.0.0.0"),
        (" 127.0.0.1 ", "127.0.0.1"),
        ("::", "::"),
        ("[::1]", "::1"),
        ("fe80::1", "fe80::1"),
    ] {
        assert_eq!(parse_host(text).unwrap(), address.parse::<IpAddr>().unwrap());
    }
    assert!(parse_host("localhost").unwrap().is_loopback());
    let error = parse_host("no such host").unwrap_err().to_string();
    assert!(error.starts_with("host \"no such host\" can't be listened on"), "{error}");
}

#[test]
fn address_of_another_machine_is_an_error() {
    let error = bind(&ListenOptions::new("192.0.2.1".parse().unwrap(), 0), 1).unwrap_err();
    assert!(error.to_string().contains("can't listen on 192.0.2.1:0 (bind)"), "{error}");
}

#[test]
fn listener_without_connections_carries_data_once_accepted() {
    let (mut server, mut client) = connected(&ListenOptions::new(LOOPBACK, 0));
    client.write_all(b"hello").unwrap();
    let mut got = [0; 5];
    server.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
}
