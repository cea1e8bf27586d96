//! A record batch where it lies in a buffer, and the walk from one to the next.
//!
//! A [`Batch`] is whole: it has as many bytes as its length field says. Nothing else about it is trusted:
//! callers that need its checksum or its records to be right must check them.

use std::ops::Deref;

use crate::model::{Offset, Timestamp};

use super::compression::{Compression, Scratch};
use super::error::RecordsError;
use super::header::{ATTRIBUTES_AT, BatchHeader, CURRENT_MAGIC, HEADER_SIZE, MAGIC_END};
use super::legacy::{self, LegacyMessages};
use super::record::Records;

/// One whole batch in a buffer. Its header's fields are those of [`BatchHeader`].
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl Deref for Batch<'_> {
    type Target = BatchHeader;

    fn deref(&self) -> &BatchHeader {
        &self.header
    }
}

impl<'a> Batch<'a> {
    /// The batch at the front of `bytes`; `None` if they end within it.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`].
    pub fn first_of(bytes: &'a [u8]) -> Result<Option<Self>, RecordsError> {
        let Some(header) = BatchHeader::parse(bytes)? else {
            return Ok(None);
        };
        Ok(bytes
            .get(..header.size())
            .map(|bytes| Self { header, bytes }))
    }

    /// The header's fields.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes of the batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the header, compressed as the attributes say; with magic 0 and 1 nothing.
    pub fn record_bytes(&self) -> &'a [u8] {
        if self.magic() == CURRENT_MAGIC {
            &self.bytes[HEADER_SIZE..]
        } else {
            &[]
        }
    }

    /// Whether the stored checksum matches the bytes.
    pub fn crc_is_valid(&self) -> bool {
        self.computed_crc() == self.crc()
    }

    /// As [`Self::crc_is_valid`], with an error that has both checksums.
    ///
    /// # Errors
    /// [`RecordsError::Checksum`].
    pub fn check_crc(&self) -> Result<(), RecordsError> {
        let (stored, computed) = (self.crc(), self.computed_crc());
        if stored == computed {
            Ok(())
        } else {
            Err(RecordsError::Checksum { stored, computed })
        }
    }

    fn computed_crc(&self) -> u32 {
        if self.magic() == CURRENT_MAGIC {
            crc32c::crc32c(&self.bytes[ATTRIBUTES_AT..])
        } else {
            // Magic 0 and 1 use the checksum of gzip, over everything from the magic on.
            let mut crc = flate2::Crc::new();
            crc.update(&self.bytes[MAGIC_END - 1..]);
            crc.sum()
        }
    }

    /// Iterates over the records. Compressed ones are decompressed into `scratch` first, up to its limit;
    /// others are read where they lie.
    ///
    /// # Errors
    /// [`RecordsError::LegacyFormat`] for magic 0 and 1, otherwise what is wrong with the codec,
    /// the stream or the count.
    pub fn records<'s>(&self, scratch: &'s mut Scratch) -> Result<Records<'s>, RecordsError>
    where
        'a: 's,
    {
        if self.magic() != CURRENT_MAGIC {
            return Err(RecordsError::LegacyFormat {
                magic: self.magic(),
            });
        }
        let bytes = match self.compression()? {
            _ if self.record_count() == 0 => &[],
            Compression::None => self.record_bytes(),
            codec => scratch.decompress(codec, self.record_bytes())?,
        };
        Records::new(&self.header, bytes)
    }

    /// Iterates over the messages of a batch of magic 0 or 1.
    ///
    /// # Errors
    /// The batch is compressed, and cannot be decompressed, or holds no messages.
    pub fn legacy_messages<'s>(
        &self,
        scratch: &'s mut Scratch,
    ) -> Result<LegacyMessages<'s>, RecordsError>
    where
        'a: 's,
    {
        legacy::messages(self, scratch)
    }

    /// The first record at or after `timestamp` whose offset is at least `from`, in a batch of any magic.
    ///
    /// # Errors
    /// The records cannot be decompressed, or one before it is malformed.
    pub fn find_timestamp(
        &self,
        timestamp: Timestamp,
        from: Offset,
        scratch: &mut Scratch,
    ) -> Result<Option<(Offset, Timestamp)>, RecordsError> {
        self.first_where(scratch, |offset, time| time >= timestamp && offset >= from)
    }

    /// The first record with the batch's largest timestamp, in a batch of any magic.
    ///
    /// # Errors
    /// As [`Self::find_timestamp`].
    pub fn offset_of_max_timestamp(
        &self,
        scratch: &mut Scratch,
    ) -> Result<Option<Offset>, RecordsError> {
        let max_timestamp = self.max_timestamp();
        let found = self.first_where(scratch, |_, time| time == max_timestamp)?;
        Ok(found.map(|(offset, _)| offset))
    }

    /// Offset and timestamp of the first record for which `wanted` returns true.
    fn first_where(
        &self,
        scratch: &mut Scratch,
        wanted: impl Fn(Offset, Timestamp) -> bool,
    ) -> Result<Option<(Offset, Timestamp)>, RecordsError> {
        if self.magic() != CURRENT_MAGIC {
            let messages = legacy::messages(self, scratch)?;
            let mut places = messages.map(|message| (message.offset(), message.timestamp()));
            return Ok(places.find(|(offset, time)| wanted(*offset, *time)));
        }
        for record in self.records(scratch)? {
            let record = record?;
            if wanted(record.offset(), record.timestamp()) {
                return Ok(Some((record.offset(), record.timestamp())));
            }
        }
        Ok(None)
    }
}

/// Iterates over the whole batches in a buffer, and ends before a partial one (the end of a fetch response,
/// or of a log after a crash). It ends after an error as well.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// The batches in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            failed: false,
        }
    }

    /// The end of the batch returned last: how many bytes of whole batches have come so far.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match Batch::first_of(&self.bytes[self.position..]).transpose()? {
            Ok(batch) => {
                self.position += batch.size();
                Some(Ok(batch))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
