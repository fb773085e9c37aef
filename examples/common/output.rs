//! Output that does not panic: `println!` and `eprintln!` do when the reader of the output has gone or the disk is full.

#![allow(dead_code, reason = "each example uses a part")]

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::{self, ExitCode};

/// Prints a line of a server, which continues if that fails.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line on the standard error, after the name of the program.
pub(crate) fn warn(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}: {line}", env!("CARGO_BIN_NAME"));
}

/// Prints a line of a demonstration. Ends the program if that fails; silently if the reader has gone, as `head` does.
pub(crate) fn print_line(line: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        if error.kind() != ErrorKind::BrokenPipe {
            warn(format_args!("cannot write the output: {error}"));
        }
        process::exit(1);
    }
}

/// Returns the exit code, and prints the error.
pub(crate) fn exit_code(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn(error);
            ExitCode::FAILURE
        }
    }
}

/// Adds the action that failed to an error.
pub(crate) fn context(action: impl Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{action}: {error}"))
}

/// Creates a file for a picture, and its folder. A demonstration calls this first, so that a wrong path does not cost a run.
pub(crate) fn create_picture(path: &Path) -> io::Result<File> {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| File::create(path))
        .map_err(context(format_args!("cannot create {}", path.display())))
}
