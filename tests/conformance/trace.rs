//! The traces as they are recorded: where they lie, how a line reads.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value;

/// A start state, the calls made on it, and what Netty answered. Its other fields are for people.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Trace {
    pub(crate) id: String,
    pub(crate) family: String,
    pub(crate) init: Init,
    pub(crate) steps: Vec<Step>,
    /// Readable bytes of `b0` at the end, in hex; none where it is gone.
    pub(crate) r#final: Option<String>,
    #[serde(default)]
    pub(crate) finals: BTreeMap<String, Final>,
    #[serde(default)]
    pub(crate) aliasing: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Init {
    bufs: BTreeMap<String, Start>,
}

/// A buffer that exists when the trace begins.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Start {
    Plain(Plain),
    Composite(Composite),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Plain {
    pub(crate) capacity: usize,
    pub(crate) max_capacity: usize,
    /// All bytes up to the capacity, in hex.
    pub(crate) data: String,
    pub(crate) reader: usize,
    pub(crate) writer: usize,
    /// The lengths of the components that hold the same bytes.
    pub(crate) pieces: Option<Vec<usize>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Composite {
    pub(crate) kind: String,
    pub(crate) max_num_components: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) op: String,
    #[serde(default = "b0")]
    pub(crate) on: String,
    pub(crate) args: Vec<Value>,
    pub(crate) new: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) ret: Option<Value>,
    pub(crate) err: Option<String>,
    pub(crate) reader: Option<usize>,
    pub(crate) writer: Option<usize>,
    #[serde(default)]
    pub(crate) others: BTreeMap<String, [usize; 2]>,
    #[serde(default)]
    pub(crate) aliasing: bool,
    #[serde(default, rename = "note")]
    pub(crate) _note: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Final {
    pub(crate) reader: usize,
    pub(crate) writer: usize,
    pub(crate) readable: String,
}

impl Trace {
    pub(crate) fn starts(&self) -> impl Iterator<Item = (&str, &Start)> {
        self.init.bufs.iter().map(|(name, start)| (&name[..], start))
    }
}

/// All traces of a folder's `.jsonl` and `.jsonl.gz` files, file by file in order of their names.
///
/// # Panics
///
/// Where there are none, or a line is no trace: nothing is passed over in silence.
pub(crate) fn load(folder: &Path) -> Vec<Trace> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".jsonl") || name.ends_with(".jsonl.gz")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no traces in {}", folder.display());
    files.iter().flat_map(|path| load_file(path)).collect()
}

fn load_file(path: &Path) -> Vec<Trace> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text: Box<dyn Read> = if path.extension().is_some_and(|ext| ext == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    BufReader::with_capacity(1 << 16, text)
        .lines()
        .enumerate()
        .filter(|(_, line)| line.as_ref().map_or(true, |line| !line.trim().is_empty()))
        .map(|(number, line)| {
            let at = || format!("{}:{}", path.display(), number + 1);
            let line = line.unwrap_or_else(|error| panic!("{}: {error}", at()));
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {error}", at()))
        })
        .collect()
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd hex text {text:?}");
    text.as_bytes()
        .chunks(2)
        .map(|two| {
            let two = std::str::from_utf8(two).expect("hex is ASCII");
            u8::from_str_radix(two, 16).expect("hex digits")
        })
        .collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn b0() -> String {
    "b0".into()
}

/// Tells `"ret": null` from no `ret` at all.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}
