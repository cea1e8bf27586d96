//! Partition folders: their names, and the file in each that says which topic it belongs to.
//!
//! A name is `<topic>-<partition>`, or with a mark `<topic>-<partition>.<32 hex>-delete|future|stray`. A
//! topic's name may have dashes and dots itself, so names are read from the right.

use std::io::{self, IoSlice};
use std::path::Path;

use super::checkpoint::{self, StateFileError};
use super::disk::{self, Disk, OpenMode};
use crate::model::{TopicId, TopicPartition};

/// The file with the topic's id, in every partition folder.
pub const PARTITION_METADATA_FILE: &str = "partition.metadata";

/// Damage to one or two characters of an id changes no more bits than this. Two ids drawn at random differ
/// in so few bits with a probability below 10^-15.
const MOST_DAMAGED_BITS: u32 = 16;

/// The most bytes of a file's name on Linux.
const NAME_LIMIT: usize = 255;

/// A mark in a folder's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderMark {
    /// The folder is being deleted.
    Delete,
    /// The folder is being filled, to replace the partition's folder in another log directory.
    Future,
    /// The folder's partition is not assigned to this broker.
    Stray,
}

impl FolderMark {
    const ALL: [Self; 3] = [Self::Delete, Self::Future, Self::Stray];

    fn suffix(self) -> &'static str {
        match self {
            Self::Delete => "-delete",
            Self::Future => "-future",
            Self::Stray => "-stray",
        }
    }
}

/// A partition folder's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFolder {
    /// The partition. In a name with a mark the topic's name may have been cut short.
    pub partition: TopicPartition,
    /// The mark; `None` if the folder is in use.
    pub mark: Option<FolderMark>,
}

impl PartitionFolder {
    /// Takes a folder's name apart; `None` if it is not that of a partition folder.
    pub fn parse(name: &str) -> Option<Self> {
        let mut mark = None;
        let mut stem = name;
        for candidate in FolderMark::ALL {
            if let Some(marked) = name.strip_suffix(candidate.suffix()) {
                let (rest, unique) = marked.rsplit_once('.')?;
                // The unique part of a mark has no dash: so a topic called `x.y-delete` is not taken for
                // one.
                let is_unique = !unique.is_empty() && !unique.contains('-');
                (mark, stem) = (Some(candidate), is_unique.then_some(rest)?);
            }
        }
        let (topic, partition) = stem.rsplit_once('-')?;
        let is_number = partition.bytes().all(|byte| byte.is_ascii_digit());
        if topic.is_empty() || !is_number {
            return None;
        }
        Some(Self {
            partition: TopicPartition::new(topic, partition.parse().ok()?),
            mark,
        })
    }
}

/// The name of a partition's folder.
pub fn folder_name(partition: &TopicPartition) -> String {
    partition.to_string()
}

/// The name of a partition's folder with a mark. `unique` tells apart the marked folders of one partition.
/// A long topic name is cut short, except in a folder that will be used again.
pub fn marked_folder_name(
    partition: &TopicPartition,
    mark: FolderMark,
    unique: [u8; 16],
) -> String {
    let unique = u128::from_be_bytes(unique);
    let rest = format!("-{}.{unique:032x}{}", partition.partition, mark.suffix());
    let mut topic = &*partition.topic;
    if mark != FolderMark::Future {
        let mut end = topic.len().min(NAME_LIMIT - rest.len());
        while !topic.is_char_boundary(end) {
            end -= 1;
        }
        topic = &topic[..end];
    }
    format!("{topic}{rest}")
}

/// Reads the topic id of a partition folder; `None` if it was never written.
pub fn read_topic_id(disk: &dyn Disk, folder: &Path) -> Result<Option<TopicId>, StateFileError> {
    let path = folder.join(PARTITION_METADATA_FILE);
    let Some(text) = checkpoint::read_text(disk, &path)? else {
        return Ok(None);
    };
    let mut lines = text.lines();
    let mut value = |key: &str| {
        let (found, value) = lines.next()?.split_once(':')?;
        (found == key).then_some(value.trim())
    };
    let version = value("version").and_then(|version| version.parse::<i32>().ok());
    let topic_id = value("topic_id").and_then(|id| id.parse::<TopicId>().ok());
    match (version, topic_id) {
        // Kafka reads later versions of the file too, so that a downgrade works.
        (Some(0..), Some(id)) if !id.is_zero() => Ok(Some(id)),
        _ => Err(StateFileError::damaged(
            &path,
            "no version and topic id in it",
        )),
    }
}

/// Whether any segment in a partition folder has bytes.
pub fn holds_records(disk: &dyn Disk, folder: &Path) -> io::Result<bool> {
    for entry in disk.list(folder)? {
        let is_log = Path::new(&entry.name).extension() == Some("log".as_ref());
        let stat = if is_log {
            disk.stat(&folder.join(entry.name))?
        } else {
            None
        };
        if stat.is_some_and(|stat| stat.size > 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which topic's log a partition folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderOwner {
    /// No topic's: there is no such folder, or it has neither a topic's id nor a record. A power cut leaves
    /// a folder like this that was just made.
    Nobody,
    /// The log of this topic.
    Topic(TopicId),
    /// Unknown: the folder has records, but the file with the id is missing or damaged, as the text says.
    Unknown(String),
}

/// Says whose log a folder holds. `expected` is the topic that has the folder's name now, if there is one:
/// an id that differs from it in a few bits only is taken for a damaged copy of it.
///
/// # Errors
/// The disk failed.
pub fn owner_of(
    disk: &dyn Disk,
    folder: &Path,
    expected: Option<TopicId>,
) -> io::Result<FolderOwner> {
    let damage = match read_topic_id(disk, folder) {
        Ok(Some(found)) => match expected {
            Some(expected) if is_nearly(found, expected) => {
                format!("{PARTITION_METADATA_FILE} has topic id {found} instead of {expected}")
            }
            _ => return Ok(FolderOwner::Topic(found)),
        },
        Ok(None) => format!("{PARTITION_METADATA_FILE} is missing"),
        Err(StateFileError::Io { source, .. }) => return Err(source),
        Err(damaged @ StateFileError::Damaged { .. }) => damaged.to_string(),
    };
    match holds_records(disk, folder) {
        Ok(true) => Ok(FolderOwner::Unknown(damage)),
        Ok(false) => Ok(FolderOwner::Nobody),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FolderOwner::Nobody),
        Err(error) => Err(error),
    }
}

/// Whether two ids differ, but in fewer bits than two random ids ever do: those differ in half of them.
fn is_nearly(found: TopicId, expected: TopicId) -> bool {
    let pairs = found.as_bytes().iter().zip(expected.as_bytes());
    let differing: u32 = pairs.map(|(one, other)| (one ^ other).count_ones()).sum();
    (1..MOST_DAMAGED_BITS).contains(&differing)
}

/// Writes the topic id of a partition folder, durably.
pub fn write_topic_id(disk: &dyn Disk, folder: &Path, topic_id: TopicId) -> io::Result<()> {
    let path = folder.join(PARTITION_METADATA_FILE);
    disk::replace_file(disk, &path, topic_id_text(topic_id).as_bytes())
}

/// Writes the topic id of a new partition folder, not durably: after a power cut it may be missing or
/// damaged, until [`sync_topic_id`].
pub fn write_topic_id_unsynced(
    disk: &dyn Disk,
    folder: &Path,
    topic_id: TopicId,
) -> io::Result<()> {
    let file = disk.open(&folder.join(PARTITION_METADATA_FILE), OpenMode::Truncate)?;
    file.write_at(&[IoSlice::new(topic_id_text(topic_id).as_bytes())], 0)
}

/// Makes the topic id of a partition folder durable, and the folder's own name.
pub fn sync_topic_id(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    sync_topic_id_file(disk, folder)?;
    disk.sync_dir(folder)?;
    match folder.parent() {
        Some(log_dir) => disk.sync_dir(log_dir),
        None => Ok(()),
    }
}

/// Makes what the file says durable, if there is one, but not its name.
pub fn sync_topic_id_file(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let file = disk.open(&folder.join(PARTITION_METADATA_FILE), OpenMode::Existing);
    // A disk may open its files as late as they are used.
    match file.and_then(|file| file.sync()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced,
    }
}

fn topic_id_text(topic_id: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::FileDisk;

    fn parsed(name: &str) -> Option<(String, i32, Option<FolderMark>)> {
        let PartitionFolder { partition, mark } = PartitionFolder::parse(name)?;
        Some((partition.topic.to_string(), partition.partition, mark))
    }

    fn folder(
        topic: &str,
        partition: i32,
        mark: Option<FolderMark>,
    ) -> Option<(String, i32, Option<FolderMark>)> {
        Some((topic.to_owned(), partition, mark))
    }

    #[test]
    fn names_are_read_from_the_right() {
        assert_eq!(parsed("events-0"), folder("events", 0, None));
        assert_eq!(
            parsed("my-own.events-12"),
            folder("my-own.events", 12, None)
        );
        assert_eq!(
            parsed("__consumer_offsets-49"),
            folder("__consumer_offsets", 49, None)
        );
        assert_eq!(parsed("a--1"), folder("a-", 1, None));
    }

    #[test]
    fn a_mark_is_kept_apart_from_the_partition() {
        let unique = "0123456789abcdef0123456789abcdef";
        for mark in FolderMark::ALL {
            let name = format!("a.b-c-3.{unique}{}", mark.suffix());
            assert_eq!(parsed(&name), folder("a.b-c", 3, Some(mark)));
        }
    }

    #[test]
    fn what_is_no_partition_folder_is_recognised() {
        for name in [
            "lost+found",
            "events",
            "events-",
            "-0",
            "events-x",
            "events-+1",
            "events-0x1",
            "events-delete",
            "events-3-delete",
            "events.x-3-delete",
            "events-99999999999",
        ] {
            assert_eq!(parsed(name), None, "{name}");
        }
    }

    #[test]
    fn a_marked_name_fits_in_a_file_name_and_is_read_back() {
        let partition = TopicPartition::new("t".repeat(249), 1_234);
        let name = marked_folder_name(&partition, FolderMark::Delete, [0xab; 16]);

        assert_eq!(name.len(), NAME_LIMIT);
        assert!(name.ends_with("t-1234.abababababababababababababababab-delete"));
        let read = PartitionFolder::parse(&name).unwrap();
        assert_eq!(
            (read.partition.partition, read.mark),
            (1_234, Some(FolderMark::Delete))
        );
    }

    #[test]
    fn the_topic_id_is_kafkas_two_lines() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(4);
        assert_eq!(read_topic_id(&disk, dir.path()).unwrap(), None);

        let topic_id = TopicId::from_bytes([0xff; 16]);
        write_topic_id_unsynced(&disk, dir.path(), topic_id).unwrap();
        sync_topic_id(&disk, dir.path()).unwrap();
        assert_eq!(read_topic_id(&disk, dir.path()).unwrap(), Some(topic_id));
        write_topic_id(&disk, dir.path(), topic_id).unwrap();

        let text = std::fs::read_to_string(dir.path().join(PARTITION_METADATA_FILE)).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: _____________________w");
        assert_eq!(read_topic_id(&disk, dir.path()).unwrap(), Some(topic_id));
    }

    #[test]
    fn a_damaged_topic_id_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "",
            "version: 0\n",
            "topic_id: x\n",
            "version: 0\ntopic_id: AAAA",
        ] {
            std::fs::write(dir.path().join(PARTITION_METADATA_FILE), text).unwrap();
            assert!(
                read_topic_id(&FileDisk::new(4), dir.path()).is_err(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn damage_is_told_apart_from_another_topics_log_and_from_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(4);
        let folder = dir.path().join("t-0");
        let expected = TopicId::from_bytes([0x5a; 16]);
        let owner = || owner_of(&disk, &folder, Some(expected)).unwrap();
        assert_eq!(owner(), FolderOwner::Nobody, "no folder");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(owner(), FolderOwner::Nobody, "an empty folder");
        std::fs::write(folder.join("00000000000000000000.log"), "").unwrap();
        std::fs::write(folder.join(PARTITION_METADATA_FILE), "").unwrap();
        assert_eq!(owner(), FolderOwner::Nobody, "an empty log");

        std::fs::write(folder.join("00000000000000000000.log"), "x").unwrap();
        assert!(matches!(owner(), FolderOwner::Unknown(_)), "damaged");
        std::fs::remove_file(folder.join(PARTITION_METADATA_FILE)).unwrap();
        assert!(matches!(owner(), FolderOwner::Unknown(_)), "missing");
        let other = TopicId::from_bytes([0xc3; 16]);
        write_topic_id(&disk, &folder, other).unwrap();
        assert_eq!(owner(), FolderOwner::Topic(other));
        write_topic_id(&disk, &folder, expected).unwrap();
        assert_eq!(owner(), FolderOwner::Topic(expected));

        let path = folder.join(PARTITION_METADATA_FILE);
        let sound = std::fs::read(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, flipped).unwrap();
            let owner = owner();
            // A later version is read too, and white space around the id is none of it.
            let is_harmless = owner == FolderOwner::Topic(expected);
            let is_found = matches!(owner, FolderOwner::Unknown(_));
            assert!(is_harmless || is_found, "bit {bit}: {owner:?}");
        }
    }
}
