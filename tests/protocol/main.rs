//! The wire protocol against other implementations, and against hostile bytes.

mod cases;
mod crate_oracle;
mod generate;
mod golden;
mod heap;
mod hostile;
mod java_oracle;
mod ranges;
