//! Bytes that are passed on without being read: records on their way from a file to a socket.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;

/// An open file, parts of which are on their way to sockets.
pub trait SharedFile: AsFd + Send + Sync {
    /// One more part of it is under way.
    fn lend(&self) {}

    /// A part of it is no longer under way.
    fn take_back(&self) {}

    /// Whether others wait for what it takes to keep the file open.
    fn is_wanted(&self) -> bool {
        false
    }
}

/// A file that nobody counts.
impl SharedFile for OwnedFd {}

/// A file as a part of it refers to it: the file knows how many do.
pub struct LentFile(Arc<dyn SharedFile>);

impl LentFile {
    /// Refers to `file` for one more part.
    pub fn new(file: Arc<dyn SharedFile>) -> Self {
        file.lend();
        Self(file)
    }

    /// Whether others wait for what it takes to keep the file open.
    pub fn is_wanted(&self) -> bool {
        self.0.is_wanted()
    }
}

impl Clone for LentFile {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for LentFile {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

impl AsFd for LentFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A part of an open file, to be sent from the page cache. It is a value: nothing here reads the file.
#[derive(Clone)]
pub struct FileRegion {
    /// The file. It stays open as long as the region exists, even if the file is deleted meanwhile.
    pub file: LentFile,
    /// The position of the first byte in the file.
    pub position: u64,
    /// How many bytes the part has.
    pub length: u32,
}

impl PartialEq for FileRegion {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file.0, &other.file.0)
            && self.position == other.position
            && self.length == other.length
    }
}

impl fmt::Debug for FileRegion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FileRegion")
            .field("position", &self.position)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// The records of one partition in an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Payload {
    /// No records field at all. Where Kafka has none to give, it answers with empty [`Payload::Bytes`].
    #[default]
    Null,
    /// Records in memory.
    Bytes(Bytes),
    /// Records in their file.
    File(FileRegion),
}

impl Payload {
    /// Records that exist, but are empty.
    pub const EMPTY: Self = Self::Bytes(Bytes::new());

    /// The number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Bytes(bytes) => bytes.len(),
            Self::File(region) => region.length as usize,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in memory: those of a decoded payload always are.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null | Self::File(_) => None,
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// A piece of a frame, which is its pieces one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum FramePiece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes to be sent from a file.
    File(FileRegion),
}

impl FramePiece {
    /// The number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(region) => region.length as usize,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
