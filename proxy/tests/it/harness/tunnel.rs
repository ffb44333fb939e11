//! A CONNECT proxy, which tells what it was asked and can lead anywhere, whatever name it was asked for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Answers with `status`, and leads every tunnel to `to`.
pub fn connect_proxy(to: SocketAddr, status: &'static str) -> (SocketAddr, Receiver<String>) {
    connect_proxy_by(move |_| to, status)
}

/// The same with a place for each request, by its head.
pub fn connect_proxy_by(
    to: impl Fn(&str) -> SocketAddr + Send + Sync + 'static,
    status: &'static str,
) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (sender, asked) = sync_channel(1000);
    let to = Arc::new(to);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender, to) = (stream.unwrap(), sender.clone(), to.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let to = to(&head);
                // nobody has to listen
                let _ = sender.send(head);
                stream
                    .write_all(format!("HTTP/1.1 {status}\r\nx: y\r\n\r\n").as_bytes())
                    .unwrap();
                if status.starts_with("200") {
                    let inner = TcpStream::connect(to).unwrap();
                    splice(&stream, &inner);
                }
            });
        }
    });
    (address, asked)
}

fn splice(one: &TcpStream, other: &TcpStream) {
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        })
    };
    let back = copy(other.try_clone().unwrap(), one.try_clone().unwrap());
    let _ = copy(one.try_clone().unwrap(), other.try_clone().unwrap()).join();
    let _ = back.join();
}
