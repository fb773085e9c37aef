//! How the contenders of a benchmark are timed, compared and shown.
//!
//! All contenders of a row run in one process and take turns, round after round, so that what else the
//! machine does meets all of them; a row compares medians. One thread's work is timed by that thread's
//! own processor time, which does not count while others have the core.

pub mod makers;
pub mod picture;
pub mod race;
pub mod table;

/// Numbers that look random and are the same each time (SplitMix64).
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

    /// The numbers below `n` in some order.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// Sizes as they come on a network: many small ones, some packets, a few large reads.
pub fn network_sizes(count: usize) -> Vec<usize> {
    const SIZES: [usize; 10] = [64, 100, 200, 500, 1500, 1500, 4096, 9000, 16384, 65536];
    let mut random = Random(7);
    (0..count).map(|_| SIZES[random.below(SIZES.len())]).collect()
}

/// What both programs are asked for.
#[derive(clap::Parser)]
pub struct Arguments {
    /// Only show that everything runs.
    #[arg(long)]
    pub quick: bool,
    /// Only rows with this in their name.
    #[arg(long)]
    pub only: Option<String>,
    /// Where the table and the picture are written to.
    #[arg(long)]
    pub save: Option<std::path::PathBuf>,
    /// Walk with one kind of buffer, in a process of its own.
    #[arg(long, hide = true)]
    pub walk: Option<String>,
}

/// Says how it went, and saves what is asked for.
pub fn finish(bench: &race::Bench, name: &str, arguments: &Arguments) {
    let (bars, missed) = bench.table.score();
    println!("\n{} of {bars} bars reached", bars - missed);
    if let Some(dir) = &arguments.save {
        std::fs::create_dir_all(dir).expect("a folder for the results");
        let save = |ending: &str, text: String| {
            std::fs::write(dir.join(name).with_extension(ending), text)
        };
        save("md", bench.table.markdown()).expect("the table is written");
        save("svg", picture::svg(&bench.table)).expect("the picture is written");
    }
}
