//! A peer that sends and receives raw frames.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::toy::{Mode, World, within};

pub struct Peer {
    pub stream: TcpStream,
}

impl Peer {
    pub async fn connect(world: &World) -> Self {
        Self::connect_to(world.listener.address()).await
    }

    pub async fn connect_to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.unwrap();
    }

    /// The id and body of the next answer; `None` at the end of the connection.
    pub async fn receive(&mut self) -> Option<(i32, Vec<u8>)> {
        let length = within(self.stream.read_u32()).await.ok()?;
        let id = within(self.stream.read_i32()).await.unwrap();
        let mut body = vec![0; length as usize - 4];
        within(self.stream.read_exact(&mut body)).await.unwrap();
        Some((id, body))
    }

    pub async fn receive_ids(&mut self, count: usize) -> Vec<i32> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.receive().await.expect("an answer").0);
        }
        ids
    }

    /// Whether the broker has closed the connection, having sent nothing more.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        !matches!(within(self.stream.read(&mut byte)).await, Ok(1))
    }
}

/// A frame that overlaps with others (key 0).
pub fn produce(mode: Mode, id: i32, body: &[u8]) -> Vec<u8> {
    frame(0, mode, id, body)
}

/// A frame that overlaps with others of its own kind (key 8).
pub fn commit(mode: Mode, id: i32, body: &[u8]) -> Vec<u8> {
    frame(8, mode, id, body)
}

/// A frame that stands alone (key 1).
pub fn request(mode: Mode, id: i32, body: &[u8]) -> Vec<u8> {
    frame(1, mode, id, body)
}

fn frame(key: i16, mode: Mode, id: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_u32(8 + body.len() as u32);
    frame.put_i16(key);
    frame.put_i16(mode as i16);
    frame.put_i32(id);
    frame.put_slice(body);
    frame.to_vec()
}
