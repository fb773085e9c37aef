//! Instructions per unit of work, counted by callgrind.
//!
//! The program runs itself under valgrind. Each contender works once to warm up and then once between two requests to
//! callgrind: the first sets its counter to zero, the second writes the sum to a file.
#![allow(unsafe_code, reason = "requests to valgrind are instructions that do nothing elsewhere")]

use crate::Arguments;
use std::collections::HashMap;
use std::ffi::CString;
use std::process::{Command, Stdio};

/// The tool `CT`, as callgrind's header numbers its requests.
const CALLGRIND: usize = 0x4354_0000;
const ZERO_STATS: usize = CALLGRIND + 1;
const DUMP_STATS_AT: usize = CALLGRIND + 3;

#[cfg(target_arch = "x86_64")]
fn request(code: usize, argument: *const i8) {
    let request = [code, argument.addr(), 0, 0, 0, 0];
    // SAFETY: valgrind recognises the sequence; elsewhere it rotates a register by 128 bits in all, and swaps another
    // with itself. `argument` is null or a string that outlives the request.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") request.as_ptr(), inout("rdx") 0_usize => _,
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_code: usize, _argument: *const i8) {}

/// Counts the instructions of `work`, for [`Counts`] to read. Without valgrind it only runs `work`.
pub(crate) fn counted(row: &str, contender: &str, units: usize, work: impl FnOnce()) {
    let label = CString::new(format!("{row}\t{contender}\t{units}")).expect("names without zeros");
    request(ZERO_STATS, std::ptr::null());
    work();
    request(DUMP_STATS_AT, label.as_ptr());
}

/// Instructions per unit, by row and contender.
#[derive(Default)]
pub(crate) struct Counts(HashMap<(String, String), f64>);

impl Counts {
    /// Runs this program under valgrind and reads what it counted.
    pub(crate) fn take(arguments: &Arguments) -> Self {
        let dir = std::env::temp_dir().join(format!("peers-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder for the counts");
        let this = std::env::current_exe().expect("this program's path");
        let out = format!("--callgrind-out-file={}", dir.join("out").display());
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", &out]).arg(this).arg("--counted");
        if let Some(only) = &arguments.only {
            valgrind.args(["--only", only]);
        }
        let status = valgrind.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.expect("valgrind is installed").success(), "the count failed");
        let mut counts = HashMap::new();
        for entry in std::fs::read_dir(&dir).expect("the counts").flatten() {
            let text = std::fs::read_to_string(entry.path()).expect("a file of callgrind's");
            let find = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
            let label = find("desc: Trigger: Client Request: ");
            let mut words = label.into_iter().flat_map(|label| label.split('\t'));
            if let (Some(row), Some(contender), Some(units)) =
                (words.next(), words.next(), words.next())
            {
                let units: f64 = units.parse().expect("a number of units");
                let sum: f64 = find("summary: ").expect("a sum").trim().parse().expect("a number");
                counts.insert((row.to_owned(), contender.to_owned()), sum / units);
            }
        }
        std::fs::remove_dir_all(&dir).expect("the counts are removed");
        Self(counts)
    }

    pub(crate) fn get(&self, row: &str, contender: &str) -> Option<f64> {
        self.0.get(&(row.to_owned(), contender.to_owned())).copied()
    }
}
