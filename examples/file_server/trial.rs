//! Finds out by trying whether staying awake between events pays.
//!
//! To sleep and be woken costs both ends of a connection time. A server that stays awake saves
//! that, but takes the processor from a client, or from others, that could use it. Which of the two
//! counts for more depends on the machine, on the clients, and on what else runs; so the server
//! measures it. In a trial it stays awake in some periods and sleeps in others, in turns, and
//! compares the bytes that it sent; the winner is kept for a while, then there is a new trial.
//! Trials take a fortieth of the time where the winner stays the same, and a server that does little always sleeps.

use std::time::{Duration, Instant};

/// A period of a trial. Ten milliseconds are some time slices of a scheduler.
const PERIOD: Duration = Duration::from_millis(10);
/// The order of the periods: a load that grows steadily favours neither side.
const ORDER: [Mode; 8] = {
    use Mode::{Asleep, Awake};
    [Asleep, Awake, Awake, Asleep, Awake, Asleep, Asleep, Awake]
};
/// A period with fewer turns of the loop says nothing, and the processor is not short.
const TURNS_MIN: u32 = 20;
/// How many times more bytes must be sent awake, to be worth the processor time.
const GAIN_MIN: f64 = 1.1;
/// How long the winner is kept: the longer, the more often it has won in a row.
const KEEP: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(3200));
/// After a pause of this length the load may be another one, and a new trial begins.
const PAUSE: Duration = Duration::from_millis(50);

/// What the server does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Sleeps until an event comes.
    Asleep,
    /// Looks for the next event for a moment, then sleeps.
    Awake,
}

/// Bytes that were sent in a time.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    bytes: u64,
    time: Duration,
}

impl Sent {
    fn rate(self) -> f64 {
        self.bytes as f64 / self.time.as_secs_f64()
    }
}

#[derive(Debug)]
pub(crate) struct Trial {
    phase: Phase,
    mode: Mode,
    /// How long the next winner is kept, if it is the same as the last one.
    keep: Duration,
    winner: Mode,
    /// The last turn of the loop.
    last: Instant,
}

#[derive(Debug)]
enum Phase {
    Keeping {
        until: Instant,
    },
    Trying {
        period: usize,
        begun: Instant,
        /// The bytes that had been sent when the period began.
        before: u64,
        turns: u32,
        asleep: Sent,
        awake: Sent,
    },
}

impl Trial {
    pub(crate) fn new(now: Instant) -> Self {
        Trial {
            phase: Phase::Keeping { until: now },
            mode: Mode::Asleep,
            keep: KEEP.0,
            winner: Mode::Asleep,
            last: now,
        }
    }

    /// Takes note of a turn of the loop, before which `sent` bytes had been sent in all, and
    /// returns what to do when there is nothing to do.
    pub(crate) fn turn(&mut self, now: Instant, sent: u64) -> Mode {
        let paused = now.duration_since(self.last) >= PAUSE;
        self.last = now;
        if paused {
            self.keep = KEEP.0;
            self.begin_period(0, now, sent, Sent::default(), Sent::default());
            return self.mode;
        }
        match &mut self.phase {
            Phase::Keeping { until } if now < *until => {}
            Phase::Keeping { .. } => {
                self.begin_period(0, now, sent, Sent::default(), Sent::default());
            }
            Phase::Trying { begun, turns, .. } if now.duration_since(*begun) < PERIOD => {
                *turns += 1;
            }
            &mut Phase::Trying { period, begun, before, turns, mut asleep, mut awake } => {
                if turns < TURNS_MIN {
                    self.keep(Mode::Asleep, now);
                    return self.mode;
                }
                let side = if self.mode == Mode::Awake { &mut awake } else { &mut asleep };
                side.bytes += sent - before;
                side.time += now.duration_since(begun);
                if period + 1 < ORDER.len() {
                    self.begin_period(period + 1, now, sent, asleep, awake);
                } else {
                    let pays = awake.rate() > GAIN_MIN * asleep.rate();
                    self.keep(if pays { Mode::Awake } else { Mode::Asleep }, now);
                }
            }
        }
        self.mode
    }

    fn begin_period(
        &mut self,
        period: usize,
        begun: Instant,
        before: u64,
        asleep: Sent,
        awake: Sent,
    ) {
        self.mode = ORDER[period];
        self.phase = Phase::Trying { period, begun, before, turns: 0, asleep, awake };
    }

    fn keep(&mut self, winner: Mode, now: Instant) {
        self.keep = if winner == self.winner { (self.keep * 2).min(KEEP.1) } else { KEEP.0 };
        (self.winner, self.mode) = (winner, winner);
        self.phase = Phase::Keeping { until: now + self.keep };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a made-up server, which sends so many bytes in each turn of 100 us, and returns the
    /// share of the time that it was awake.
    fn share_awake(time: Duration, bytes: impl Fn(Duration, Mode) -> u64) -> f64 {
        let start = Instant::now();
        let mut trial = Trial::new(start);
        let (mut now, mut sent, mut awake) = (Duration::ZERO, 0, Duration::ZERO);
        let turn = Duration::from_micros(100);
        while now < time {
            let mode = trial.turn(start + now, sent);
            sent += bytes(now, mode);
            now += turn;
            awake += if mode == Mode::Awake { turn } else { Duration::ZERO };
        }
        awake.as_secs_f64() / time.as_secs_f64()
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_server_that_sends_more_awake_stays_awake() {
        let share = share_awake(LONG, |_, mode| if mode == Mode::Awake { 120 } else { 100 });
        assert!(share > 0.94, "{share}");
    }

    #[test]
    fn a_server_that_sends_as_much_asleep_sleeps() {
        let share = share_awake(LONG, |_, mode| if mode == Mode::Awake { 105 } else { 100 });
        assert!(share < 0.04, "{share}");
        // Also while the load grows all the time.
        let share = share_awake(LONG, |now, _| 1000 + now.as_millis() as u64);
        assert!(share < 0.04, "{share}");
    }

    #[test]
    fn a_change_of_what_pays_is_found_within_the_longest_keep() {
        let half = LONG / 2;
        let share = share_awake(LONG, |now, mode| match mode {
            Mode::Awake if now < half => 50,
            Mode::Awake => 200,
            Mode::Asleep => 100,
        });
        assert!((0.5 - 3.4 / 30.0..0.53).contains(&share), "{share}");
    }

    #[test]
    fn a_server_that_does_little_sleeps() {
        let start = Instant::now();
        let mut trial = Trial::new(start);
        let modes = (0..1000).map(|turn| trial.turn(start + turn * Duration::from_millis(2), 0));
        assert_eq!(modes.filter(|&mode| mode == Mode::Awake).count(), 0);
    }

    #[test]
    fn a_pause_begins_a_new_trial() {
        let start = Instant::now();
        let mut trial = Trial::new(start);
        let mut now = start;
        let mut turns = |trial: &mut Trial, turns: u32| {
            for _ in 0..turns {
                now += Duration::from_micros(100);
                trial.turn(now, 0);
            }
            now += PAUSE;
        };
        turns(&mut trial, 10_000);
        assert!(matches!(trial.phase, Phase::Keeping { .. }));
        turns(&mut trial, 1);
        turns(&mut trial, 1);
        assert!(matches!(trial.phase, Phase::Trying { period: 0, .. }));
    }
}
