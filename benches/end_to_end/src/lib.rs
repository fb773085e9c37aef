//! Compares whole servers on `bytebuf` with the same servers on `bytes`, in processor time and memory.
//!
//! ```text
//! end_to_end [--quick] [--only SCENARIO] [--rounds N] [--picture FILE.svg]
//! end_to_end serve SCENARIO VARIANT DIR [--quick]    # a server; the first command starts it
//! end_to_end load SCENARIO PORT [--quick]            # its clients, which do a fixed amount of work
//! ```

mod child;
mod measure;
#[path = "../../side_by_side/picture.rs"]
mod picture;
mod scenarios;
mod table;

use std::io;
use std::path::PathBuf;

use scenarios::{SCENARIOS, Scenario};

/// The options of the command line.
struct Options {
    quick: bool,
    only: Option<String>,
    rounds: usize,
    picture: Option<PathBuf>,
}

/// Runs the command line.
///
/// # Errors
///
/// If a server or its clients fail, or a wrong argument is given.
pub fn main() -> io::Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    words.retain(|word| word != "--quick");
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", scenario, variant, dir] => child::serve(find(scenario)?, variant, dir.into()),
        ["load", scenario, port] => child::load(find(scenario)?, number(port)?, quick),
        _ => measure::all(&options(words, quick)?),
    }
}

fn options(words: Vec<String>, quick: bool) -> io::Result<Options> {
    let rounds = if quick { 1 } else { 3 };
    let mut options = Options { quick, only: None, rounds, picture: None };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| wrong(&word))?;
        match word.as_str() {
            "--only" => options.only = Some(find(&value)?.name.to_owned()),
            "--rounds" => options.rounds = number::<usize>(&value)?.max(1),
            "--picture" => options.picture = Some(value.into()),
            _ => return Err(wrong(&word)),
        }
    }
    Ok(options)
}

fn find(name: &str) -> io::Result<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or_else(|| wrong(name))
}

fn number<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| wrong(text))
}

fn wrong(word: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("wrong or incomplete argument: {word}"))
}
