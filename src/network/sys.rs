//! System calls on sockets that only Linux has, with what takes their place elsewhere: sending from a file,
//! and telling that a peer is gone while bytes of it are unread.
//!
//! sendfile, and not pread and send: over loopback both cost the same CPU (0.2 s/GiB, see
//! benches/network.rs), to a network card sendfile saves a copy, and records need no memory here.
//! It blocks on pages that are not in memory, so these are looked for first; records that are not
//! there are read by a thread that may block.

use std::io;
use std::os::fd::AsFd;

/// How many bytes are read at a time, and checked for being in memory. The system reads ahead in pieces of
/// about this size and larger ones later, so the two ends of a piece speak for its middle.
const PIECE: usize = 128 << 10;
/// How many bytes are sent at once. The end of each send wakes the receiver, which over loopback
/// costs more than copying a piece does.
#[cfg(target_os = "linux")]
const MOST_SENT: usize = 1 << 20;

/// What became of a part of a file on its way to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileSend {
    /// The socket took so many bytes.
    Sent(usize),
    /// The next bytes are not in memory: let a thread that may block call [`warm`] first.
    Cold,
    /// The file ends here.
    Ended,
}

/// Sends some of `length` bytes of a file to a socket, without waiting for the disk. `is_warmed`
/// says that they were read a moment ago, for file systems that cannot tell what is in memory.
///
/// # Errors
/// `WouldBlock` when the socket takes no more; else the socket's or the file's failure.
#[cfg(target_os = "linux")]
pub(super) fn send_file(
    socket: impl AsFd,
    file: impl AsFd,
    position: u64,
    length: usize,
    is_warmed: bool,
) -> io::Result<FileSend> {
    let length = length.min(MOST_SENT);
    let is_present = |place| -> io::Result<Result<(), FileSend>> {
        Ok(match presence(&file, place)? {
            Presence::InMemory => Ok(()),
            Presence::Unknown if is_warmed => Ok(()),
            Presence::Unknown | Presence::Absent => Err(FileSend::Cold),
            Presence::BeyondEnd => Err(FileSend::Ended),
        })
    };
    if let Err(absent) = is_present(position)? {
        return Ok(absent);
    }
    let mut present = 0;
    while present < length {
        // Each piece is as large as all before it: checking costs as much as sending some KiB.
        let piece = PIECE.max(present).min(length - present);
        match is_present(position + (present + piece) as u64 - 1)? {
            Ok(()) => present += piece,
            Err(absent) if present == 0 => return Ok(absent),
            Err(_) => break,
        }
    }
    let mut offset = position;
    let sent = rustix::fs::sendfile(socket, &file, Some(&mut offset), present)?;
    Ok(match sent {
        0 => FileSend::Ended,
        sent => FileSend::Sent(sent),
    })
}

/// The `length` bytes at `position` of a file, if all of them are in memory.
#[cfg(target_os = "linux")]
pub(super) fn read_present(file: impl AsFd, position: u64, length: usize) -> Option<Vec<u8>> {
    use rustix::io::ReadWriteFlags;

    let mut bytes = vec![0; length];
    let mut buffers = [io::IoSliceMut::new(&mut bytes)];
    let read = rustix::io::preadv2(file, &mut buffers, position, ReadWriteFlags::NOWAIT);
    (read == Ok(length)).then_some(bytes)
}

/// Elsewhere nothing tells what is in memory.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_present(_file: impl AsFd, _position: u64, _length: usize) -> Option<Vec<u8>> {
    None
}

/// Whether a byte of a file is in memory.
#[cfg(target_os = "linux")]
enum Presence {
    InMemory,
    Absent,
    /// This file system cannot tell.
    Unknown,
    BeyondEnd,
}

#[cfg(target_os = "linux")]
fn presence(file: &impl AsFd, position: u64) -> io::Result<Presence> {
    use rustix::io::{Errno, ReadWriteFlags};

    let mut byte = [0];
    let mut buffers = [io::IoSliceMut::new(&mut byte)];
    match rustix::io::preadv2(file, &mut buffers, position, ReadWriteFlags::NOWAIT) {
        Ok(0) => Ok(Presence::BeyondEnd),
        Ok(_) => Ok(Presence::InMemory),
        Err(Errno::AGAIN) => Ok(Presence::Absent),
        Err(Errno::OPNOTSUPP) => Ok(Presence::Unknown),
        Err(error) => Err(error.into()),
    }
}

/// Elsewhere nothing tells what is in memory: what was brought into memory is read again and sent.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_file(
    socket: impl AsFd,
    file: impl AsFd,
    position: u64,
    length: usize,
    is_warmed: bool,
) -> io::Result<FileSend> {
    if !is_warmed {
        return Ok(FileSend::Cold);
    }
    let mut buffer = [0; 16 << 10];
    let length = length.min(buffer.len());
    match rustix::io::pread(file, &mut buffer[..length], position)? {
        0 => Ok(FileSend::Ended),
        read => Ok(FileSend::Sent(rustix::io::write(socket, &buffer[..read])?)),
    }
}

/// Reads `length` bytes of a file for the sake of the page cache; blocks.
///
/// # Errors
/// The file's failure. A file that is shorter is no error here: sending finds that out.
pub(super) fn warm(file: impl AsFd, position: u64, length: usize) -> io::Result<()> {
    let mut buffer = vec![0; length.min(PIECE)];
    let mut warmed = 0;
    while warmed < length {
        let piece = buffer.len().min(length - warmed);
        match rustix::io::pread(&file, &mut buffer[..piece], position + warmed as u64)? {
            0 => return Ok(()),
            read => warmed += read,
        }
    }
    Ok(())
}

/// How much of a connection its peer has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// The peer sends no more; it may still read.
    Sending,
    /// The peer closed both ways: what is sent to it is lost.
    Whole,
}

/// Whether the peer has closed its end, however much of what it sent before is unread.
#[cfg(target_os = "linux")]
pub(super) fn hangup(socket: impl AsFd) -> Option<Hangup> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut polled = [PollFd::new(&socket, PollFlags::RDHUP)];
    // A failure says nothing of the peer; reading and writing will.
    poll(&mut polled, Some(&Timespec::default())).ok()?;
    let found = polled[0].revents();
    if found.intersects(PollFlags::HUP | PollFlags::ERR) {
        return Some(Hangup::Whole);
    }
    found.contains(PollFlags::RDHUP).then_some(Hangup::Sending)
}

/// Elsewhere the end is found only by reading all that came before it.
#[cfg(not(target_os = "linux"))]
pub(super) fn hangup(_: impl AsFd) -> Option<Hangup> {
    None
}

/// Sends the bytes before the records of a file, and tells the system that more follow, so that both can
/// share a packet.
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

/// Elsewhere the bytes are sent alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_with_more_to_come(
    socket: impl AsFd,
    slices: &[io::IoSlice<'_>],
) -> io::Result<usize> {
    Ok(rustix::io::writev(socket, slices)?)
}
