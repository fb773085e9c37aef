//! Appending records of 1 KiB to a file.

use std::fs::{self, File};
use std::io::{self, Write};

use bytebuf::Segment;

use crate::report::{Report, cpu, scaled};
use crate::side_by_side::Candidate;

const RECORD: [u8; 1024] = [7; 1024];

pub(crate) fn run(report: &mut Report) -> io::Result<()> {
    let records = scaled(64 * 1024, 64);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    // A record has a frame of 8 bytes.
    let capacity = (records * (RECORD.len() + 8) + 4096) as u64;
    let append = |mut segment: Segment| {
        (0..records).try_for_each(|_| segment.append(&RECORD).map(drop))?;
        segment.publish().map(drop)
    };
    let write = |mut file: File| (0..records).try_for_each(|_| file.write_all(&RECORD));

    let by_hand = || {
        let cost = cpu(|| write(File::create_new(&theirs)?));
        fs::remove_file(&theirs).expect("it was made");
        cost
    };
    let job = "append 1 KiB to a fresh file";
    if report.is_selected(job) {
        let create = || {
            let cost = cpu(|| append(Segment::create(&ours, capacity)?));
            fs::remove_file(&ours).expect("it was made");
            cost
        };
        report.measure(
            job,
            (records, "record"),
            0.15,
            vec![Candidate::metered("Segment", create), Candidate::metered("write each", by_hand)],
        );
    }

    let job = "append 1 KiB to a recycled file";
    if report.is_selected(job) {
        append(Segment::create(&ours, capacity)?)?;
        // A recycled file was synced long before.
        let settled = |path| -> io::Result<()> { File::open(path)?.sync_data() };
        let recycle = || {
            settled(&ours).expect("it was made");
            cpu(|| append(Segment::recycle(&ours)?))
        };
        report.measure(
            job,
            (records, "record"),
            0.15,
            vec![
                Candidate::metered("Segment", recycle),
                Candidate::metered("write each, to a fresh one", by_hand),
            ],
        );
    }
    Ok(())
}
