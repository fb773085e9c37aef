//! Measures whether to stay awake between events.
//!
//! Sleep and wake-up cost time at both ends of a connection. A server that stays awake saves this time, but takes the processor
//! from a client, or from other processes. Which is better depends on the machine, on the clients, and on other load; so the
//! server measures it. Time is divided into periods. In a trial the server stays awake in some periods and sleeps in the others.
//! After the trial it stays awake if that sent more, and each byte cost about as much processor time or less; otherwise it
//! sleeps. It keeps the winner for a while, then begins a new trial. A server that sends less awake than it sent asleep in the
//! trial begins a new one at once.
//!
//! Trials take a fortieth of the time if the winner stays the same. A server with little load always sleeps.

use std::time::{Duration, Instant};

/// The length of a period: some time slices of a scheduler.
const PERIOD: Duration = Duration::from_millis(10);
/// The order of a trial's periods: a load that grows steadily favours neither mode.
const ORDER: [Mode; 8] = {
    use Mode::{Asleep, Awake};
    [Asleep, Awake, Awake, Asleep, Awake, Asleep, Asleep, Awake]
};
/// With fewer turns of the loop in a period the server is idle, and sleeps.
const TURNS_MIN: u32 = 20;
/// The factor by which an awake server must send more bytes.
const GAIN_MIN: f64 = 1.1;
/// The factor by which a byte may cost more processor time awake.
const COST_MAX: f64 = 1.1;
/// How long the winner is kept: at first, and at most after several equal results.
const KEEP: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(3200));
/// After a pause of this length the load may have changed, and a new trial begins.
const PAUSE: Duration = Duration::from_millis(50);

/// What the server does between events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Sleeps until the next event.
    Asleep,
    /// Polls for the next event for a moment, then sleeps.
    Awake,
}

/// What the server has done since it was started, or in some periods.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// Bytes sent.
    pub(crate) bytes: u64,
    /// Processor time used.
    pub(crate) used: Duration,
}

/// Work of some periods, and the time that they took.
#[derive(Clone, Copy, Debug)]
struct Sum {
    bytes: u64,
    used: Duration,
    time: Duration,
}

impl Sum {
    const ZERO: Self = Self { bytes: 0, used: Duration::ZERO, time: Duration::ZERO };

    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.used += other.used;
        self.time += other.time;
    }

    /// Returns the bytes per second.
    fn rate(self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64()
    }

    /// Returns the processor time per byte, in seconds.
    fn cost(self) -> f64 {
        self.used.as_secs_f64() / self.bytes as f64
    }
}

#[derive(Debug)]
pub(crate) struct Trial {
    phase: Phase,
    mode: Mode,
    /// When this period began, and the work done before.
    begun: Instant,
    before: Work,
    /// Turns of the loop in this period.
    turns: u32,
    /// How long the next winner is kept, if it is the same as the last one.
    keep: Duration,
    winner: Mode,
    /// The last turn of the loop.
    last: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// In this period of [`ORDER`]; the sums of those before it, asleep and awake.
    Trying { period: usize, sums: [Sum; 2] },
    Keeping {
        until: Instant,
        /// The rate of a server that sleeps, as the trial found it.
        asleep: f64,
    },
}

impl Phase {
    const BEGIN: Self = Self::Trying { period: 0, sums: [Sum::ZERO; 2] };
}

impl Trial {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::BEGIN,
            mode: ORDER[0],
            begun: now,
            before: Work::default(),
            turns: 0,
            keep: KEEP.0,
            winner: Mode::Asleep,
            last: now,
        }
    }

    /// Records a turn of the loop and returns the mode. Calls `work` once in each period, for the work
    /// done since the start.
    pub(crate) fn turn(&mut self, now: Instant, work: impl FnOnce() -> Work) -> Mode {
        let paused = now.duration_since(self.last) >= PAUSE;
        self.last = now;
        self.turns += 1;
        let time = now.duration_since(self.begun);
        if paused || time >= PERIOD {
            let work = work();
            if paused {
                (self.keep, self.phase) = (KEEP.0, Phase::BEGIN);
            } else {
                let bytes = work.bytes - self.before.bytes;
                let used = work.used.saturating_sub(self.before.used);
                self.end_period(now, Sum { bytes, used, time });
            }
            if let Phase::Trying { period, .. } = self.phase {
                self.mode = ORDER[period];
            }
            (self.begun, self.before, self.turns) = (now, work, 0);
        }
        self.mode
    }

    fn end_period(&mut self, now: Instant, done: Sum) {
        let is_idle = self.turns < TURNS_MIN;
        match &mut self.phase {
            Phase::Trying { .. } if is_idle => self.keep(Mode::Asleep, now, 0.0),
            Phase::Trying { period, sums } => {
                sums[self.mode as usize].add(done);
                *period += 1;
                if *period == ORDER.len() {
                    let [asleep, awake] = *sums;
                    let pays = awake.rate() > GAIN_MIN * asleep.rate()
                        && awake.cost() < COST_MAX * asleep.cost();
                    let winner = if pays { Mode::Awake } else { Mode::Asleep };
                    self.keep(winner, now, asleep.rate());
                }
            }
            Phase::Keeping { until, asleep } => {
                let has_fallen = self.mode == Mode::Awake && (is_idle || done.rate() < *asleep);
                if has_fallen {
                    self.keep = KEEP.0;
                }
                if has_fallen || now >= *until {
                    self.phase = Phase::BEGIN;
                }
            }
        }
    }

    fn keep(&mut self, winner: Mode, now: Instant, asleep: f64) {
        self.keep = if winner == self.winner { (self.keep * 2).min(KEEP.1) } else { KEEP.0 };
        (self.winner, self.mode) = (winner, winner);
        self.phase = Phase::Keeping { until: now + self.keep, asleep };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates a server with turns of 100 us, and returns the share of the time that it was awake.
    /// `turn` returns the work done in a turn.
    fn share_awake(time: Duration, turn: impl Fn(Duration, Mode) -> Work) -> f64 {
        let start = Instant::now();
        let mut trial = Trial::new(start);
        let (mut now, mut total, mut awake) = (Duration::ZERO, Work::default(), Duration::ZERO);
        while now < time {
            let mode = trial.turn(start + now, || total);
            let work = turn(now, mode);
            total.bytes += work.bytes;
            total.used += work.used;
            now += TURN;
            awake += if mode == Mode::Awake { TURN } else { Duration::ZERO };
        }
        awake.as_secs_f64() / time.as_secs_f64()
    }

    const TURN: Duration = Duration::from_micros(100);
    const LONG: Duration = Duration::from_secs(30);

    /// A server that uses all of its processor awake, and the share `asleep` of it asleep.
    fn work(bytes: u64, mode: Mode, asleep: f64) -> Work {
        Work { bytes, used: if mode == Mode::Awake { TURN } else { TURN.mul_f64(asleep) } }
    }

    #[test]
    fn a_server_that_sends_more_awake_at_the_same_cost_stays_awake() {
        let bytes = |mode| if mode == Mode::Awake { 150 } else { 100 };
        let share = share_awake(LONG, |_, mode| work(bytes(mode), mode, 0.7));
        assert!(share > 0.94, "{share}");
    }

    #[test]
    fn a_server_whose_bytes_cost_more_awake_sleeps() {
        let bytes = |mode| if mode == Mode::Awake { 150 } else { 100 };
        let share = share_awake(LONG, |_, mode| work(bytes(mode), mode, 0.5));
        assert!(share < 0.04, "{share}");
    }

    #[test]
    fn a_server_that_sends_as_much_asleep_sleeps() {
        let bytes = |mode| if mode == Mode::Awake { 105 } else { 100 };
        let share = share_awake(LONG, |_, mode| work(bytes(mode), mode, 1.0));
        assert!(share < 0.04, "{share}");
        // Also while the load grows all the time.
        let share = share_awake(LONG, |now, mode| work(1000 + now.as_millis() as u64, mode, 1.0));
        assert!(share < 0.04, "{share}");
    }

    #[test]
    fn a_new_winner_is_found_within_the_longest_keep() {
        let half = LONG / 2;
        let share = share_awake(LONG, |now, mode| {
            let bytes = match mode {
                Mode::Awake if now < half => 50,
                Mode::Awake => 200,
                Mode::Asleep => 100,
            };
            work(bytes, mode, 1.0)
        });
        assert!((0.5 - 3.4 / 30.0..0.53).contains(&share), "{share}");
    }

    #[test]
    fn a_server_that_sends_less_than_it_did_asleep_stops_staying_awake_at_once() {
        let second = Duration::from_secs(1);
        let share = share_awake(2 * second, |now, mode| {
            let bytes = if mode == Mode::Asleep {
                100
            } else if now < second {
                200
            } else {
                50
            };
            work(bytes, mode, 1.0)
        });
        // One period to detect it, and half of the new trial; otherwise all of the second second.
        assert!(share < 0.55, "{share}");
    }

    #[test]
    fn a_server_that_does_little_sleeps() {
        let start = Instant::now();
        let mut trial = Trial::new(start);
        let modes = (0..1000)
            .map(|turn| trial.turn(start + turn * Duration::from_millis(2), Work::default));
        assert_eq!(modes.filter(|&mode| mode == Mode::Awake).count(), 0);
    }

    #[test]
    fn a_pause_begins_a_new_trial() {
        let start = Instant::now();
        let mut trial = Trial::new(start);
        for turn in 1..=10_000 {
            trial.turn(start + turn * TURN, Work::default);
        }
        assert!(matches!(trial.phase, Phase::Keeping { .. }));
        trial.turn(start + 10_000 * TURN + PAUSE, Work::default);
        assert!(matches!(trial.phase, Phase::Trying { period: 0, .. }));
    }
}
