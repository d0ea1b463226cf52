//! The names that a shard knows: looked up once for all its pools, kept fresh while in use.
//!
//! The last good addresses outlive a name server that fails. A name that changes its addresses is
//! noticed when it has become older than its lifetime; pools then leave connections to addresses
//! that are gone (reliability.md F5).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use millrace_shard::{Inbox, LocalNotify, Mailbox, clock, mailbox};

mod resolver;

pub use resolver::Resolver;
use resolver::{Answer, Question};

use crate::error::Failure;

/// Questions of one shard that are not answered yet; its mailbox has room for all answers.
const PENDING_MAX: usize = 1_024;
/// After a failed lookup the failure is given again for so long, without asking.
const FAILED_MS: u64 = 1_000;

/// The names of one shard; cheap to clone, stays there.
#[derive(Clone)]
pub struct Names {
    inner: Rc<Inner>,
}

struct Inner {
    resolver: Resolver,
    answers: Mailbox<Answer>,
    pending: Cell<usize>,
    known: RefCell<HashMap<Arc<str>, Weak<Name>>>,
}

impl Names {
    /// Binds the resolver to the shard that calls this. Needs two file descriptors.
    pub fn new(resolver: &Resolver) -> io::Result<Self> {
        let (answers, seat) = mailbox(PENDING_MAX)?;
        let inner = Rc::new(Inner {
            resolver: resolver.clone(),
            answers,
            pending: Cell::new(0),
            known: RefCell::default(),
        });
        millrace_shard::spawn(receive(seat.attach()?, Rc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// The entry of a name, shared by all who ask for it.
    pub(crate) fn name(&self, host: &Arc<str>) -> Rc<Name> {
        let mut known = self.inner.known.borrow_mut();
        if let Some(name) = known.get(host).and_then(Weak::upgrade) {
            return name;
        }
        known.retain(|_, name| name.strong_count() > 0);
        let name = Rc::new(Name {
            host: Arc::clone(host),
            names: Rc::clone(&self.inner),
            asked: Cell::new(false),
            learned: RefCell::new(None),
            failed: RefCell::new(None),
            news: LocalNotify::new(),
        });
        known.insert(Arc::clone(host), Rc::downgrade(&name));
        name
    }
}

/// Ends when the last sender is gone: that of [`Names`] and those of open questions.
async fn receive(mut answers: Inbox<Answer>, inner: Weak<Inner>) {
    while let Some(Answer { host, addresses }) = answers.recv().await {
        let Some(inner) = inner.upgrade() else { return };
        inner.pending.set(inner.pending.get().saturating_sub(1));
        let name = inner.known.borrow().get(&host).and_then(Weak::upgrade);
        if let Some(name) = name {
            name.learn(addresses);
        }
    }
}

/// One name.
pub(crate) struct Name {
    host: Arc<str>,
    names: Rc<Inner>,
    asked: Cell<bool>,
    learned: RefCell<Option<Learned>>,
    failed: RefCell<Option<Failed>>,
    news: LocalNotify,
}

#[derive(Clone)]
struct Learned {
    addresses: Rc<[IpAddr]>,
    at_ms: u64,
}

struct Failed {
    reason: Arc<str>,
    at_ms: u64,
}

impl Name {
    /// The addresses, at least one. Waits only if none is known, or if what is known has not been
    /// looked after for long. May be dropped.
    pub(crate) async fn addresses(&self, lifetime_ms: u64) -> Result<Rc<[IpAddr]>, Failure> {
        let learned = self.learned.borrow().clone();
        let age_ms = |at_ms| clock::coarse_ms().saturating_sub(at_ms);
        if let Some(Learned { addresses, at_ms }) = &learned
            && age_ms(*at_ms) <= lifetime_ms.saturating_mul(2)
        {
            self.refresh(lifetime_ms);
            return Ok(Rc::clone(addresses));
        }
        let failed_lately =
            self.failed.borrow().as_ref().is_some_and(|failed| age_ms(failed.at_ms) < FAILED_MS);
        if !failed_lately {
            let news = self.news.notified();
            if self.ask() {
                news.await;
            }
        }
        self.current().ok_or_else(|| self.failure())
    }

    /// The addresses last learned, however old.
    pub(crate) fn current(&self) -> Option<Rc<[IpAddr]>> {
        self.learned.borrow().as_ref().map(|learned| Rc::clone(&learned.addresses))
    }

    /// Looks the name up anew if what is known is older than that. Does not wait.
    pub(crate) fn refresh(&self, lifetime_ms: u64) {
        let now_ms = clock::coarse_ms();
        let older = |at_ms: u64, than_ms| now_ms.saturating_sub(at_ms) > than_ms;
        let stale =
            self.learned.borrow().as_ref().is_none_or(|learned| older(learned.at_ms, lifetime_ms));
        let failed_lately =
            self.failed.borrow().as_ref().is_some_and(|failed| !older(failed.at_ms, FAILED_MS));
        if stale && !failed_lately {
            self.ask();
        }
    }

    /// Whether an answer is on its way.
    fn ask(&self) -> bool {
        if self.asked.get() {
            return true;
        }
        let pending = self.names.pending.get();
        let asked = if pending < PENDING_MAX {
            let answers = self.names.answers.clone();
            self.names.resolver.ask(Question { host: Arc::clone(&self.host), answers })
        } else {
            Err("too many names are being looked up")
        };
        match asked {
            Ok(()) => {
                self.names.pending.set(pending.saturating_add(1));
                self.asked.set(true);
                true
            }
            Err(reason) => {
                self.fail(reason.into());
                false
            }
        }
    }

    fn learn(&self, addresses: Result<Vec<IpAddr>, Arc<str>>) {
        self.asked.set(false);
        match addresses {
            Ok(addresses) => {
                self.failed.take();
                let at_ms = clock::coarse_ms();
                self.learned.replace(Some(Learned { addresses: addresses.into(), at_ms }));
            }
            Err(reason) => self.fail(reason),
        }
        self.news.notify_all();
    }

    fn fail(&self, reason: Arc<str>) {
        let kept = self.learned.borrow().is_some();
        tracing::debug!(host = %self.host, reason = %reason, kept, "A name can't be resolved.");
        self.failed.replace(Some(Failed { reason, at_ms: clock::coarse_ms() }));
    }

    fn failure(&self) -> Failure {
        let reason = self.failed.borrow().as_ref().map(|failed| Arc::clone(&failed.reason));
        let reason = reason.unwrap_or_else(|| "no answer".into());
        Failure::Resolve { host: Arc::clone(&self.host), reason }
    }
}
