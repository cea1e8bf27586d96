//! `kafka-dump-log.sh`: what is in the files of a partition's folder, and what is wrong with them. It needs no
//! broker, and reads a part of a file at a time.
//!
//! - `batches`: the batches of a file, whatever is wrong with them.
//! - `log`: segments and snapshots of the metadata log; `control` and `decoders` show what is in their records.
//! - `indexes`: offset and time indexes.
//! - `state_files`: snapshots of producers, and aborted transactions.
//! - `problems`: what is wrong, told at the end.

mod batches;
mod control;
mod decoders;
mod indexes;
mod log;
mod problems;
mod state_files;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use self::decoders::{Decoder, Plain};
use self::indexes::IndexOptions;
use self::log::LogOptions;
use self::problems::Problems;
use super::ending::{self, Ending, require};

const NAME: &str = "kafka-dump-log.sh";
const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

/// Tell what is in the files of a partition, and what is wrong with them.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct DumpArguments {
    /// The files, with commas between them: .log, .index, .timeindex, .txnindex, .snapshot, .checkpoint
    #[arg(long, value_name = "LIST")]
    files: Option<String>,

    /// Print what is in the records of logs, too; so does each option that says how to read them
    #[arg(long)]
    print_data_log: bool,

    /// Print a line for each record, too; without, one for each batch
    #[arg(long)]
    deep_iteration: bool,

    /// Do not print the entries of indexes: only what is wrong with them
    #[arg(long)]
    verify_index_only: bool,

    /// Only make the checks by which a broker decides at its start whether an index is made anew
    #[arg(long)]
    index_sanity_check: bool,

    /// The largest batch, in bytes
    #[arg(long, value_name = "SIZE", default_value_t = 5 * 1024 * 1024, allow_negative_numbers = true)]
    max_message_size: i32,

    /// How many bytes of each log are read
    #[arg(long, value_name = "SIZE", default_value_t = i32::MAX, allow_negative_numbers = true)]
    max_bytes: i32,

    /// Do not print offsets, times and sizes of records, nor control records
    #[arg(long)]
    skip_record_metadata: bool,

    /// How values are read: one of Kafka's decoders, org.apache.kafka.tools.api.StringDecoder (as without),
    /// IntegerDecoder or LongDecoder
    #[arg(long, value_name = "CLASS", num_args = 0..=1, default_missing_value = STRING_DECODER)]
    value_decoder_class: Option<String>,

    /// How keys are read
    #[arg(long, value_name = "CLASS", num_args = 0..=1, default_missing_value = STRING_DECODER)]
    key_decoder_class: Option<String>,

    /// Read records as those of __consumer_offsets
    #[arg(long)]
    offsets_decoder: bool,

    /// Read records as those of __transaction_state
    #[arg(long)]
    transaction_log_decoder: bool,

    /// Read records as those of the metadata log
    #[arg(long)]
    cluster_metadata_decoder: bool,

    /// Read records as those of __remote_log_metadata (not served)
    #[arg(long)]
    remote_log_metadata_decoder: bool,

    /// Read records as those of __share_group_state
    #[arg(long)]
    share_group_state_decoder: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, DumpArguments::act)
}

impl DumpArguments {
    fn act(&self) -> Result<(), Ending> {
        require("files", self.files.is_some())?;
        let mut problems = Problems::default();
        let mut output = BufWriter::new(io::stdout().lock());
        let files = self.files.as_deref().unwrap_or_default();
        // Java leaves out what is empty at the end of a list.
        for file in files.trim_end_matches(',').split(',') {
            let dumped = self.dump(&java_path(file), &mut problems, &mut output);
            // What was found before an error is there before it.
            output.flush()?;
            dumped?;
        }
        problems.tell()?;
        Ok(())
    }

    fn dump(
        &self,
        path: &Path,
        problems: &mut Problems,
        output: &mut dyn Write,
    ) -> Result<(), Ending> {
        writeln!(output, "Dumping {}", path.display())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let indexes = IndexOptions {
            sanity_only: self.index_sanity_check,
            verify_only: self.verify_index_only,
            max_message_size: self.max_message_size,
        };
        match name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("log" | "checkpoint") => log::dump(path, &self.log_options()?, problems, output),
            Some("index") => indexes::dump_offsets(path, indexes, problems, output),
            Some("timeindex") => indexes::dump_times(path, indexes, problems, output),
            Some("snapshot") => state_files::dump_producers(path, output),
            Some("txnindex") => state_files::dump_aborted(path, output),
            _ => {
                writeln!(io::stderr(), "Ignoring unknown file {}", path.display())?;
                Ok(())
            }
        }
    }

    fn log_options(&self) -> Result<LogOptions, Ending> {
        let shows_contents = self.print_data_log
            || self.offsets_decoder
            || self.transaction_log_decoder
            || self.cluster_metadata_decoder
            || self.remote_log_metadata_decoder
            || self.share_group_state_decoder
            || self.value_decoder_class.is_some()
            || self.key_decoder_class.is_some();
        let decoder = self.decoder()?;
        Ok(LogOptions {
            records: self.deep_iteration || shows_contents,
            contents: shows_contents.then_some(decoder),
            skip_metadata: self.skip_record_metadata,
            max_bytes: self.max_bytes,
        })
    }

    /// The first of the decoders that are asked for, in Kafka's order.
    fn decoder(&self) -> Result<Decoder, Ending> {
        if self.offsets_decoder {
            Ok(Decoder::Offsets)
        } else if self.transaction_log_decoder {
            Ok(Decoder::Transactions)
        } else if self.cluster_metadata_decoder {
            Ok(Decoder::Metadata)
        } else if self.remote_log_metadata_decoder {
            let reason = "Option --remote-log-metadata-decoder is not served: this tool does not know the records of \
                          __remote_log_metadata";
            Err(Ending::Usage(reason.to_owned()))
        } else if self.share_group_state_decoder {
            Ok(Decoder::ShareState)
        } else {
            let class =
                |name: &Option<String>| Plain::of_class(name.as_deref().unwrap_or(STRING_DECODER));
            Ok(Decoder::Plain {
                value: class(&self.value_decoder_class)?,
                key: class(&self.key_decoder_class)?,
            })
        }
    }
}

/// A path as Java writes it: without slashes that mean nothing.
fn java_path(text: &str) -> PathBuf {
    let parts = text.split('/').filter(|part| !part.is_empty());
    let path = parts.collect::<Vec<_>>().join("/");
    let root = if text.starts_with('/') { "/" } else { "" };
    PathBuf::from(format!("{root}{path}"))
}
