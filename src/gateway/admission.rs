//! Who may try to log in now, and from where: a back-off after refused secrets, and the networks of
//! each port.
//!
//! A back-off is one source's with one port, so that nobody locks a port's owner out from elsewhere,
//! and one source's with all ports, for who tries their names in turn. It looks up and counts; it
//! knows no secret and sends nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::agent::Watch;
use crate::net::{Lasting, PortNetworks, Rate, Recent};
use crate::types::{Nanos, PortName};

/// What is known of those who tried.
#[derive(Debug)]
pub(super) struct Admission {
    networks: Arc<PortNetworks>,
    watch: Option<Watch<PortNetworks>>,
    /// By source and port.
    failures: Recent<Failures>,
    /// By source.
    spent: Recent<Spent>,
}

/// Why a login is refused before its secret is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// The port does not log in from there.
    Elsewhere,
    /// Its last secrets were wrong; it is to wait.
    BackOff,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    not_before: Nanos,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    paid: Nanos,
}

impl Lasting for Failures {
    fn until(&self) -> Nanos {
        if self.count == 0 { Nanos::ZERO } else { self.not_before.after(MEMORY) }
    }
}

impl Lasting for Spent {
    fn until(&self) -> Nanos {
        self.paid
    }
}

/// Refused secrets of a source with a port before it is to wait.
const FREE_FAILURES: u32 = 3;
/// The first wait, and the longest; each is twice the one before.
const WAIT_MIN: Nanos = Nanos::SECOND;
const WAIT_DOUBLINGS_MAX: u32 = 6;
/// Refused secrets are forgotten so long after the last wait.
const MEMORY: Nanos = Nanos::from_secs(600);
/// Refused secrets of a source with all ports together: so many at once, and so many a second.
const SOURCE_FAILURES: Rate = Rate::new(1, 256);
/// Pairs of source and port, and sources, that are remembered.
const REMEMBERED_MAX: usize = 4_096;

impl Admission {
    /// With the networks of ports as `watch` tells them, now and whenever they change.
    pub(super) fn new(watch: Option<Watch<PortNetworks>>) -> Self {
        Self {
            networks: Arc::default(),
            watch,
            failures: Recent::new(REMEMBERED_MAX),
            spent: Recent::new(REMEMBERED_MAX),
        }
    }

    /// Follows a change of the ports' networks; whether there was one.
    pub(super) fn follow(&mut self) -> bool {
        let Some(changed) = self.watch.as_mut().and_then(Watch::changed) else { return false };
        self.networks = changed;
        true
    }

    /// Whether `port` may log in from `source`.
    pub(super) fn permits(&self, port: PortName, source: Ipv4Addr) -> bool {
        self.networks.permit(port, source)
    }

    /// Whether anybody at `source` is let in.
    pub(super) fn lets_in(&self, source: Ipv4Addr) -> bool {
        self.networks.let_in(source)
    }

    /// Whether a secret for `port` is looked at that comes from `source` now.
    pub(super) fn hear(&self, port: PortName, source: Ipv4Addr, now: Nanos) -> Result<(), Unheard> {
        if !self.permits(port, source) {
            return Err(Unheard::Elsewhere);
        }
        let waits = self.failures.get(key(port, source)).is_some_and(|last| now < last.not_before);
        let spent = self.spent.get(source_key(source)).copied().unwrap_or_default();
        let is_over = !SOURCE_FAILURES.take(&mut { spent.paid }, now);
        if waits || is_over { Err(Unheard::BackOff) } else { Ok(()) }
    }

    /// A secret for `port` from `source` was refused.
    pub(super) fn refused(&mut self, port: PortName, source: Ipv4Addr, now: Nanos) {
        SOURCE_FAILURES.take(&mut self.spent.entry(source_key(source)).paid, now);
        let failures = self.failures.entry(key(port, source));
        if now >= failures.until() {
            *failures = Failures::default();
        }
        failures.count = failures.count.saturating_add(1);
        let doublings = failures.count.checked_sub(FREE_FAILURES);
        failures.not_before = match doublings {
            None => now,
            Some(doublings) => now.after(Nanos(WAIT_MIN.0 << doublings.min(WAIT_DOUBLINGS_MAX))),
        };
    }

    /// One was accepted.
    pub(super) fn accepted(&mut self, port: PortName, source: Ipv4Addr) {
        if self.failures.get(key(port, source)).is_some() {
            *self.failures.entry(key(port, source)) = Failures::default();
        }
    }
}

fn key(port: PortName, source: Ipv4Addr) -> u128 {
    let mut bytes = [0; 16];
    bytes[2..8].copy_from_slice(&port.upper().0);
    u128::from_be_bytes(bytes) | source_key(source)
}

fn source_key(source: Ipv4Addr) -> u128 {
    u128::from(source.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::from_secs(1_000_000);
    const OWNER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
    const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 66);

    fn name(text: &str) -> PortName {
        PortName::new(text).unwrap()
    }

    fn after(seconds: u64) -> Nanos {
        START.after(Nanos::from_secs(seconds))
    }

    /// Wrong secrets that are looked at within `seconds` of one who tries each 10 ms.
    fn guesses(admission: &mut Admission, port: PortName, seconds: u64) -> usize {
        let looked_at = (0..seconds * 100).filter(|centis| {
            let now = START.after(Nanos::from_millis(centis * 10));
            let heard = admission.hear(port, STRANGER, now).is_ok();
            if heard {
                admission.refused(port, STRANGER, now);
            }
            heard
        });
        looked_at.count()
    }

    #[test]
    fn who_guesses_waits_twice_as_long_each_time_and_the_ports_owner_does_not() {
        let mut admission = Admission::new(None);
        let port = name("BRKR01");
        // At 0, 0 and 0 s, and then 1, 3, 7, 15, 31, 63 s later; then each 64 s.
        assert_eq!(guesses(&mut admission, port, 60), 8);
        assert_eq!(admission.hear(port, STRANGER, after(60)), Err(Unheard::BackOff));
        assert_eq!(admission.hear(port, OWNER, after(60)), Ok(()));
        assert_eq!(admission.hear(name("BRKR02"), STRANGER, after(60)), Ok(()));
        // Names are the same in either case.
        assert_eq!(admission.hear(name("brkr01"), STRANGER, after(60)), Err(Unheard::BackOff));
        assert!(guesses(&mut Admission::new(None), port, 3_600) < 70);
    }

    #[test]
    fn a_right_secret_ends_the_wait_and_so_does_time() {
        let mut admission = Admission::new(None);
        let port = name("BRKR01");
        guesses(&mut admission, port, 2);
        admission.accepted(port, STRANGER);
        assert_eq!(guesses(&mut admission, port, 1), 3);
        let later = after(2_000);
        admission.refused(port, STRANGER, later);
        assert_eq!(admission.hear(port, STRANGER, later), Ok(()));
    }

    #[test]
    fn who_tries_one_name_after_another_is_slowed_down_as_well() {
        let mut admission = Admission::new(None);
        let mut looked_at = 0;
        for number in 0..10_000 {
            let port = name(&format!("P{number:05}"));
            if admission.hear(port, STRANGER, START).is_ok() {
                admission.refused(port, STRANGER, START);
                looked_at += 1;
            }
        }
        assert_eq!(looked_at, 256);
        assert_eq!(admission.hear(name("P00999"), OWNER, START), Ok(()));
        assert_eq!(admission.hear(name("P00999"), STRANGER, after(2)), Ok(()));
    }
}
