//! Shows each part of the crate at work, in half a minute.
//!
//! ```text
//! cargo run --release --example tour -- [--seconds N] [--picture FILE]
//! ```
//!
//! It has five chapters: a pool under load with live statistics, slices that share one block, a composite, budgets that refuse and
//! wait, and a file sent by each method. It draws the figures of the first and the last chapter into `target/tour.svg`.

#[cfg(target_os = "linux")]
mod budgets;
#[cfg(target_os = "linux")]
#[path = "../common/cost.rs"]
mod cost;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod handles;
#[cfg(target_os = "linux")]
#[path = "../transfer_paths/methods.rs"]
mod methods;
#[cfg(target_os = "linux")]
#[path = "../common/output.rs"]
mod output;
#[cfg(target_os = "linux")]
mod picture;
#[cfg(target_os = "linux")]
mod pool;

#[cfg(target_os = "linux")]
use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

#[cfg(target_os = "linux")]
use output::print_line;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use clap::Parser;
    use std::path::PathBuf;

    /// Shows each part of the crate at work.
    #[derive(Debug, Parser)]
    #[command(name = "tour")]
    struct Options {
        /// Seconds that the pool is under load.
        #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,

        /// The file that the picture is written to.
        #[arg(long, value_name = "FILE", default_value = "target/tour.svg")]
        picture: PathBuf,
    }

    let options = Options::parse();
    output::exit_code(guide(Duration::from_secs(options.seconds), &options.picture))
}

#[cfg(target_os = "linux")]
fn guide(load: Duration, path: &Path) -> io::Result<()> {
    let mut file = output::create_picture(path)?;
    let samples = pool::show(load)?;
    handles::slices();
    handles::composite();
    budgets::show();
    let methods = files::show()?;
    let path = path.display();
    file.write_all(picture::draw(&samples, &methods).as_bytes())
        .map_err(output::context(format_args!("cannot write {path}")))?;
    print_line(format_args!(
        "\nA picture of the pool's memory and of the cost of each method:\n   {path}"
    ));
    Ok(())
}

/// Prints a paragraph: indented lines of at most 79 characters.
#[cfg(target_os = "linux")]
fn say(text: impl std::fmt::Display) {
    let mut line = String::from("  ");
    for word in text.to_string().split_whitespace() {
        if line.len() + 1 + word.len() > 79 {
            print_line(&line);
            line = String::from("    ");
        }
        line.push(' ');
        line.push_str(word);
    }
    print_line(&line);
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the tour needs Linux: it sends files by sendfile, splice and MSG_ZEROCOPY");
}
