//! What only Linux can do for a socket that is fed from a file, and what happens elsewhere.
//!
//! sendfile, and not pread and send: over loopback both cost the same CPU (0.2 s/GiB, see
//! benches/network.rs), to a network card sendfile saves a copy, and records need no memory here.
//! It blocks on pages that are not in memory, so these are looked for first; records that are not
//! there are read by a thread that may block.

use std::io;
use std::os::fd::AsFd;

/// How many bytes are looked at, and sent, at a time. The system reads ahead in such pieces, so
/// the ends of a piece speak for its middle.
const PIECE: usize = 128 << 10;

/// What became of a part of a file on its way to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileSend {
    /// So many bytes were taken by the socket.
    Sent(usize),
    /// The next bytes are not in memory, or the system cannot tell: read them elsewhere.
    Cold,
    /// The file ends here.
    Ended,
}

/// Sends up to `length` bytes of a file to a socket, without waiting for the disk.
///
/// # Errors
/// `WouldBlock` when the socket takes no more; else the socket's or the file's failure.
#[cfg(target_os = "linux")]
pub(super) fn send_file(
    socket: impl AsFd,
    file: impl AsFd,
    position: u64,
    length: usize,
) -> io::Result<FileSend> {
    let length = length.min(PIECE);
    match (
        is_in_memory(&file, position)?,
        is_in_memory(&file, position + length as u64 - 1)?,
    ) {
        (Probe::InMemory, Probe::InMemory) => {}
        (Probe::Ended, _) | (_, Probe::Ended) => return Ok(FileSend::Ended),
        _ => return Ok(FileSend::Cold),
    }
    let mut offset = position;
    let sent = rustix::fs::sendfile(socket, file, Some(&mut offset), length)?;
    Ok(if sent == 0 {
        FileSend::Ended
    } else {
        FileSend::Sent(sent)
    })
}

#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
enum Probe {
    InMemory,
    Absent,
    Ended,
}

#[cfg(target_os = "linux")]
fn is_in_memory(file: &impl AsFd, position: u64) -> io::Result<Probe> {
    use rustix::io::{Errno, ReadWriteFlags};

    let mut byte = [0];
    let mut buffers = [io::IoSliceMut::new(&mut byte)];
    match rustix::io::preadv2(file, &mut buffers, position, ReadWriteFlags::NOWAIT) {
        Ok(0) => Ok(Probe::Ended),
        Ok(_) => Ok(Probe::InMemory),
        // The second: this file system cannot say, so a thread that may block reads it.
        Err(Errno::AGAIN | Errno::OPNOTSUPP) => Ok(Probe::Absent),
        Err(error) => Err(error.into()),
    }
}

/// Where there is no such sendfile, every part is read by a thread that may block.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_file(
    _socket: impl AsFd,
    _file: impl AsFd,
    _position: u64,
    _length: usize,
) -> io::Result<FileSend> {
    Ok(FileSend::Cold)
}

/// Sends bytes that the records of a file follow, so that both can share a packet.
#[cfg(target_os = "linux")]
pub(super) fn send_with_more_to_come(
    socket: impl AsFd,
    slices: &[io::IoSlice<'_>],
) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    Ok(sendmsg(
        socket,
        slices,
        &mut SendAncillaryBuffer::default(),
        flags,
    )?)
}

/// Elsewhere they are sent alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_with_more_to_come(
    socket: impl AsFd,
    slices: &[io::IoSlice<'_>],
) -> io::Result<usize> {
    Ok(rustix::io::writev(socket, slices)?)
}

/// Reads exactly `length` bytes; blocks.
pub(super) fn read_file(file: impl AsFd, position: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = position + bytes.len() as u64;
        let space = rustix::buffer::spare_capacity(&mut bytes);
        if rustix::io::pread(&file, space, at)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
