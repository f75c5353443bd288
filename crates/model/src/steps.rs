//! Tests of databases, destinations and notifiers, step by step.

use std::time::{Duration, Instant};

/// One step of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which, in a word or two.
    pub name: String,
    /// Whether all is well.
    pub ok: bool,
    /// What was seen, or what is wrong and what to do.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

/// Steps as they happen: each lasts from the end of the one before.
#[derive(Debug)]
pub struct Steps {
    list: Vec<Step>,
    since: Instant,
}

impl Steps {
    /// The first step begins.
    #[must_use]
    pub fn start() -> Self {
        Self { list: Vec::new(), since: Instant::now() }
    }

    /// A step ends, and the next begins.
    pub fn add(&mut self, name: impl Into<String>, ok: bool, text: impl Into<String>) {
        let now = Instant::now();
        let took = now.duration_since(std::mem::replace(&mut self.since, now));
        self.list.push(Step { name: name.into(), ok, text: text.into(), took });
    }

    /// A step went well.
    pub fn ok(&mut self, name: &str, text: impl Into<String>) {
        self.add(name, true, text);
    }

    /// A step failed.
    pub fn wrong(&mut self, name: &str, text: impl Into<String>) {
        self.add(name, false, text);
    }

    /// What was tried, in order.
    #[must_use]
    pub fn into_list(self) -> Vec<Step> {
        self.list
    }
}
