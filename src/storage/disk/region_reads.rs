//! Reads parts of files into memory that were made to be sent to a socket.

use std::io;
use std::os::fd::AsFd as _;

use bytes::Bytes;
use rustix::io::Errno;

use crate::protocol::payload::{FileRegion, Payload};

/// Reads a part of a file into `buffer`, and replaces its content. The buffer gets fewer bytes if the file
/// was cut, and ends before the part does.
///
/// # Errors
/// The disk failed. `buffer` may hold anything then.
pub fn read_region(region: &FileRegion, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.resize(region.length as usize, 0);
    let mut filled = 0;
    while filled < buffer.len() {
        let position = region.position + filled as u64;
        match rustix::io::pread(region.file.as_fd(), &mut buffer[filled..], position) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    buffer.truncate(filled);
    Ok(())
}

/// The bytes of a payload, read from its file if they are in one.
///
/// # Errors
/// The disk failed.
pub fn read_payload(payload: Payload) -> io::Result<Bytes> {
    match payload {
        Payload::Null => Ok(Bytes::new()),
        Payload::Bytes(bytes) => Ok(bytes),
        Payload::File(region) => {
            let mut content = Vec::new();
            read_region(&region, &mut content)?;
            Ok(content.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use super::*;
    use crate::protocol::payload::LentFile;

    fn region(position: u64, length: u32) -> FileRegion {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = OwnedFd::from(File::open(path).unwrap());
        FileRegion {
            file: LentFile::new(Arc::new(file)),
            position,
            length,
        }
    }

    #[test]
    fn a_region_replaces_what_was_in_the_buffer() {
        let mut buffer = b"something longer than that".to_vec();

        read_region(&region(2, 3), &mut buffer).unwrap();

        assert_eq!(buffer, b"234");
    }

    #[test]
    fn a_region_ends_where_its_file_was_cut() {
        let payload = Payload::File(region(8, 100));

        assert_eq!(read_payload(payload).unwrap(), "89");
    }
}
