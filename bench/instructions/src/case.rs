//! One piece of work, how often it is done, and the function that is counted.

/// How often a piece of work is repeated while it is counted.
const ROUNDS: u32 = 200;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Operations in one call of `work`.
    batch: u32,
    work: Box<dyn FnMut()>,
}

impl Case {
    /// A piece of work that is one operation.
    pub(crate) fn new(name: &'static str, work: impl FnMut() + 'static) -> Self {
        Self::batch(name, 1, work)
    }

    /// A piece of work of so many operations.
    pub(crate) fn batch(name: &'static str, batch: u32, work: impl FnMut() + 'static) -> Self {
        Self { name, batch, work: Box::new(work) }
    }

    /// Operations in what is counted.
    pub(crate) fn operations(&self) -> u32 {
        self.batch * ROUNDS
    }

    pub(crate) fn run(mut self) {
        // Buffers grow and lazy parts (the choice of a vector width) happen now, uncounted.
        (self.work)();
        (self.work)();
        counted(&mut *self.work);
    }
}

/// What callgrind counts, with all that is called from here; found by its name.
#[inline(never)]
pub(crate) fn counted(work: &mut dyn FnMut()) {
    for _ in 0..ROUNDS {
        work();
    }
}
