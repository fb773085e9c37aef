//! [`Shedders`]: what keeps the shedders of a budget alive.

use super::tree::Shed;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// The shedders of a budget and of those above it. The `Pool`s of a budget have them, its buffers do not: a
/// shedder may own buffers of the budget, and goes with the last `Pool`.
#[derive(Clone, Default)]
pub(crate) struct Shedders(Option<Arc<Link>>);

struct Link {
    _shed: Arc<Shed>,
    above: Option<Arc<Self>>,
}

// They are stored here, and never called.
impl UnwindSafe for Shedders {}
impl RefUnwindSafe for Shedders {}

impl Shedders {
    /// Returns these shedders, and that of a budget below.
    pub(crate) fn with(&self, shed: Arc<Shed>) -> Self {
        Self(Some(Arc::new(Link { _shed: shed, above: self.0.clone() })))
    }
}

impl Drop for Link {
    /// Drops the links above one after the other, as `Budget` does.
    fn drop(&mut self) {
        let mut above = self.above.take();
        while let Some(mut link) = above.and_then(Arc::into_inner) {
            above = link.above.take();
        }
    }
}
