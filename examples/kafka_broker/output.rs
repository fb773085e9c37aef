//! Prints lines to the terminal or a log. If a write fails, the broker continues: the full disk may be the one that holds the log,
//! and `println!` and `eprintln!` would panic.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Prints a line on the standard output.
pub(crate) fn say(line: Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line on the standard error, with the name of the program.
pub(crate) fn warn(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "kafka_broker: {line}");
}
