//! Search in a stream: a match may begin in one chunk and end in a later one.

use std::{error::Error, fmt, sync::Arc};

use aho_corasick::{
    Anchored,
    automaton::{Automaton, StateID},
    nfa::contiguous::NFA,
};
use memchr::memmem;
use smallvec::SmallVec;

use crate::buf::{ByteIter, dump::Literal};

/// Searches for one needle in a stream that arrives in chunks.
///
/// Remembers a partial match across chunks, so that a match may span any number of them. A search that
/// continues after a match also finds matches that overlap it. Chunks are searched at the speed of `memmem`,
/// the bytes around a boundary one by one; O(n) in total for chunks of any size.
///
/// # Examples
///
/// ```
/// use bytebuf::Finder;
///
/// let mut end_of_head = Finder::new(b"\r\n\r\n")?;
/// assert_eq!(end_of_head.feed(b"GET / HTTP/1.1\r\n\r"), None);
/// assert_eq!(end_of_head.feed(b"\nbody"), Some(1));
/// # Ok::<_, bytebuf::NeedleError>(())
/// ```
#[derive(Clone)]
#[doc(alias = "SearchProcessor")]
#[doc(alias = "newKmpSearchProcessorFactory")]
#[doc(alias = "newBitapSearchProcessorFactory")]
pub struct Finder<'n> {
    whole: memmem::Finder<'n>,
    partial: Partial,
}

impl<'n> Finder<'n> {
    /// Prepares the search. O(needle); a needle longer than 16 bytes allocates 16 bytes for each of its bytes.
    ///
    /// # Errors
    ///
    /// If the needle is empty: it would match everywhere, and no search would advance.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(bytebuf::Finder::new(b"").is_err());
    /// ```
    pub fn new(needle: &'n (impl AsRef<[u8]> + ?Sized)) -> Result<Self, NeedleError> {
        let needle = needle.as_ref();
        if needle.is_empty() {
            return Err(NeedleError::Empty { index: 0 });
        }
        Ok(Self { whole: memmem::Finder::new(needle), partial: Partial::new(needle.iter()) })
    }

    /// Searches the next bytes of the stream, and stops after the first match.
    ///
    /// Returns the number of bytes of `chunk` up to the end of the match; continue with the rest of the
    /// chunk. Returns `None` if the whole chunk was searched without a match.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut finder = bytebuf::Finder::new(b"aa")?;
    /// let stream = b"xaaa";
    /// assert_eq!(finder.feed(stream), Some(3));
    /// assert_eq!(finder.feed(&stream[3..]), Some(1));
    /// assert_eq!(finder.feed(&stream[4..]), None);
    /// # Ok::<_, bytebuf::NeedleError>(())
    /// ```
    pub fn feed(&mut self, chunk: &[u8]) -> Option<usize> {
        feed(&self.whole, &mut self.partial, chunk)
    }

    /// Resets the search: the next chunk begins a new stream.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut finder = bytebuf::Finder::new(b"ab")?;
    /// assert_eq!(finder.feed(b"a"), None);
    /// finder.reset();
    /// assert_eq!(finder.feed(b"b"), None);
    /// # Ok::<_, bytebuf::NeedleError>(())
    /// ```
    pub fn reset(&mut self) {
        self.partial.forget();
    }

    /// Returns the needle.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(bytebuf::Finder::new(b"ab")?.needle(), b"ab");
    /// # Ok::<_, bytebuf::NeedleError>(())
    /// ```
    #[must_use]
    pub fn needle(&self) -> &[u8] {
        self.whole.needle()
    }

    /// Returns the same search with a copy of the needle, which can be stored beside the stream. One allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let boundary = format!("--{}", 7);
    /// let finder: bytebuf::Finder<'static> = bytebuf::Finder::new(&boundary)?.into_owned();
    /// # Ok::<_, bytebuf::NeedleError>(())
    /// ```
    #[must_use]
    pub fn into_owned(self) -> Finder<'static> {
        Finder { whole: self.whole.into_owned(), partial: self.partial }
    }
}

impl fmt::Debug for Finder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder")
            .field("needle", &Literal(ByteIter::of(self.needle())))
            .field("matched", &self.partial.matched)
            .finish()
    }
}

/// [`Finder::feed`].
#[inline]
pub(super) fn feed(
    whole: &memmem::Finder<'_>,
    partial: &mut Partial,
    chunk: &[u8],
) -> Option<usize> {
    let needle_len = whole.needle().len();
    let mut at = 0;
    // While a match may have begun before this chunk.
    while partial.matched() > at {
        let byte = *chunk.get(at)?;
        at += 1;
        if partial.step(byte) {
            return Some(at);
        }
    }
    let start = at - partial.forget();
    if let Some(found) = whole.find(&chunk[start..]) {
        partial.found();
        return Some(start + found + needle_len);
    }
    let tail = start.max(chunk.len().saturating_sub(needle_len - 1));
    partial.begin(chunk[tail..].iter());
    None
}

/// A match of one of a [`MultiFinder`]'s needles: see there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// The index of the needle, the longest that ends here.
    #[doc(alias = "getFoundNeedleId")]
    pub needle: usize,
    /// The number of bytes of the chunk up to the end of the match.
    pub end: usize,
}

/// Searches for many needles at once in a stream that arrives in chunks.
///
/// Works like [`Finder`], for any number of needles at one step per byte, and one for each needle that ends at a
/// match. A clone shares the tables: prepare a search once and clone it for each stream.
///
/// # Examples
///
/// ```
/// use bytebuf::{Found, MultiFinder};
///
/// let mut finder = MultiFinder::new([&b"he"[..], b"she", b"hers"])?;
/// let stream = b"ushers";
/// assert_eq!(finder.feed(stream), Some(Found { needle: 1, end: 4 }));
/// assert_eq!(finder.feed(&stream[4..]), Some(Found { needle: 2, end: 2 }));
/// # Ok::<_, bytebuf::NeedleError>(())
/// ```
#[derive(Clone)]
#[doc(alias = "MultiSearchProcessor")]
#[doc(alias = "newAhoCorasicSearchProcessorFactory")]
pub struct MultiFinder {
    automaton: Arc<NFA>,
    start: StateID,
    state: StateID,
}

impl MultiFinder {
    /// Prepares the search. O(sum of the needles), and a table entry for each byte of a needle and each needle
    /// that ends there.
    ///
    /// # Errors
    ///
    /// If a needle is empty, or if they are too many or too long for the tables.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = bytebuf::MultiFinder::new(["a", ""]).unwrap_err();
    /// assert_eq!(error.to_string(), "needle 1 is empty");
    /// ```
    pub fn new<T: AsRef<[u8]>>(needles: impl IntoIterator<Item = T>) -> Result<Self, NeedleError> {
        let needles: Vec<T> = needles.into_iter().collect();
        if let Some(index) = needles.iter().position(|needle| needle.as_ref().is_empty()) {
            return Err(NeedleError::Empty { index });
        }
        let too_large = |source| NeedleError::TooLarge { source };
        let automaton = NFA::new(needles).map_err(|error| too_large(error.into()))?;
        let start = automaton.start_state(Anchored::No).map_err(|error| too_large(error.into()))?;
        Ok(Self { automaton: Arc::new(automaton), start, state: start })
    }

    /// Searches the next bytes of the stream, and stops after the first match.
    ///
    /// Returns `None` if the whole chunk was searched without a match; otherwise continue after
    /// [`end`](Found::end). If several needles end at one byte, only the longest is reported.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut finder = bytebuf::MultiFinder::new(["\r\n", "\n"])?;
    /// assert_eq!(finder.feed(b"a\r"), None);
    /// assert_eq!(finder.feed(b"\nb").unwrap().needle, 0);
    /// # Ok::<_, bytebuf::NeedleError>(())
    /// ```
    pub fn feed(&mut self, chunk: &[u8]) -> Option<Found> {
        let automaton = &*self.automaton;
        let end = 1 + chunk.iter().position(|&byte| {
            self.state = automaton.next_state(Anchored::No, self.state, byte);
            automaton.is_special(self.state) && automaton.is_match(self.state)
        })?;
        let ending = (0..automaton.match_len(self.state))
            .map(|index| automaton.match_pattern(self.state, index))
            .rev()
            .max_by_key(|&needle| automaton.pattern_len(needle))?;
        Some(Found { needle: ending.as_usize(), end })
    }

    /// Resets the search: the next chunk begins a new stream.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut finder = bytebuf::MultiFinder::new(["ab"])?;
    /// assert_eq!(finder.feed(b"a"), None);
    /// finder.reset();
    /// assert_eq!(finder.feed(b"b"), None);
    /// # Ok::<_, bytebuf::NeedleError>(())
    /// ```
    pub fn reset(&mut self) {
        self.state = self.start;
    }
}

impl fmt::Debug for MultiFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiFinder").field("needles", &self.automaton.patterns_len()).finish()
    }
}

/// The error of invalid needles.
///
/// # Examples
///
/// ```
/// use bytebuf::{Finder, NeedleError};
///
/// assert!(matches!(Finder::new(""), Err(NeedleError::Empty { index: 0 })));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum NeedleError {
    /// A needle is empty.
    Empty {
        /// Its index.
        index: usize,
    },
    /// The needles are too many, or too long.
    TooLarge {
        /// The error of the search tables.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for NeedleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { index } => write!(f, "needle {index} is empty"),
            Self::TooLarge { .. } => f.write_str("the needles are too many or too long"),
        }
    }
}

impl Error for NeedleError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Empty { .. } => None,
            Self::TooLarge { source } => Some(&**source),
        }
    }
}

/// The automaton of Knuth, Morris and Pratt: how many bytes of a needle the last bytes match.
#[derive(Clone)]
pub(super) struct Partial {
    /// For each number of bytes matched: the next byte, and how many still match without it.
    steps: SmallVec<[(u8, usize); 16]>,
    /// The number of bytes that still match after a whole match.
    again: usize,
    matched: usize,
}

impl Partial {
    /// Creates the automaton for a needle of at least one byte.
    pub(super) fn new<'n>(needle: impl ExactSizeIterator<Item = &'n u8>) -> Self {
        let mut steps: SmallVec<[(u8, usize); 16]> = SmallVec::with_capacity(needle.len());
        let mut again = 0;
        for &byte in needle {
            steps.push((byte, again));
            again = match steps.len() {
                1 => 0,
                _ => advance(&steps, again, byte),
            };
        }
        Self { steps, again, matched: 0 }
    }

    pub(super) fn matched(&self) -> usize {
        self.matched
    }

    /// Takes the next byte, and returns whether it ends a match.
    pub(super) fn step(&mut self, byte: u8) -> bool {
        self.matched = advance(&self.steps, self.matched, byte);
        let whole = self.matched == self.steps.len();
        if whole {
            self.found();
        }
        whole
    }

    /// Takes bytes that are too few for a match, as the first ones.
    pub(super) fn begin<'b>(&mut self, bytes: impl Iterator<Item = &'b u8>) {
        let steps = &self.steps[..];
        let rest = bytes.skip_while(|byte| **byte != steps[0].0);
        self.matched = rest.fold(0, |matched, &byte| advance(steps, matched, byte));
    }

    /// Continues after a whole match.
    pub(super) fn found(&mut self) {
        self.matched = self.again;
    }

    /// Resets the automaton, and returns the number of bytes that matched.
    pub(super) fn forget(&mut self) -> usize {
        std::mem::take(&mut self.matched)
    }
}

/// Returns the length of the match after `byte` follows `matched` matching bytes.
fn advance(steps: &[(u8, usize)], mut matched: usize, byte: u8) -> usize {
    while matched > 0 && steps[matched].0 != byte {
        matched = steps[matched].1;
    }
    matched + usize::from(steps[matched].0 == byte)
}
