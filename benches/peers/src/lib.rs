//! Times, counts, compares and shows the contenders of a benchmark.
//!
//! All contenders of a row run in one process and take turns, round after round, so that a busy machine slows all of
//! them alike; a row compares medians. The work of one thread is timed by that thread's own processor time, and its
//! instructions are counted by callgrind with `--count`.

pub mod count;
pub mod makers;
#[path = "../../side_by_side/picture.rs"]
mod picture;
pub mod race;
pub mod table;

/// Pseudo-random numbers, equal in each run (SplitMix64).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
    }

    /// Returns the numbers below `n` in some order.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// Returns a size of the network mix: a share of each range in percent, and uniform inside it.
    pub fn network_size(&mut self) -> usize {
        const MIX: [(usize, usize, usize); 8] = [
            (15, 32, 128),
            (20, 129, 512),
            (20, 513, 1500),
            (20, 2048, 4096),
            (15, 4097, 16384),
            (6, 16389, 16645),
            (3, 65536, 65536),
            (1, 65537, 262_144),
        ];
        let mut percent = self.below(100);
        for (share, least, most) in MIX {
            if percent < share {
                return least + self.below(most - least + 1);
            }
            percent -= share;
        }
        unreachable!("the shares add up to 100")
    }
}

/// The arguments of both programs.
#[derive(clap::Parser, Clone)]
pub struct Arguments {
    /// Only check that everything runs.
    #[arg(long)]
    pub quick: bool,
    /// Count instructions, with valgrind, beside the times.
    #[arg(long)]
    pub count: bool,
    /// Only rows whose name contains this text.
    #[arg(long)]
    pub only: Option<String>,
    /// The folder that the table and the picture are written to.
    #[arg(long)]
    pub save: Option<std::path::PathBuf>,
    /// Measure the resident memory of the contender that `only` names, in this process.
    #[arg(long, hide = true)]
    pub resident: Option<String>,
    /// Run under callgrind, for `--count`.
    #[arg(long, hide = true)]
    pub counted: bool,
}

/// Prints the result, and saves the table and the picture if requested.
pub fn finish(bench: &race::Bench, name: &str, arguments: &Arguments) {
    if arguments.counted {
        return;
    }
    let (bars, missed) = bench.table.score();
    println!("\n{} of {bars} bars reached", bars - missed);
    if let Some(dir) = &arguments.save {
        std::fs::create_dir_all(dir).expect("a folder for the results");
        let save = |ending: &str, text: String| {
            std::fs::write(dir.join(name).with_extension(ending), text)
        };
        save("md", bench.table.markdown()).expect("the table is written");
        save("svg", bench.table.picture()).expect("the picture is written");
    }
}
