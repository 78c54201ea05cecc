//! Starts and ends of the service: crash, orderly stop, restart with a new configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use holdfast_core::{BankReference, Merchant};
use holdfast_engine::bank::Bank;
use holdfast_engine::clock::Clock;
use holdfast_engine::metrics::{ByLayer, Layer};
use holdfast_engine::startup::{BankTerms, MerchantTerms, check_banks, check_merchants};
use holdfast_engine::store::Store;

use super::describe;
use super::event::Event;
use super::life::Life;
use super::message::Message;
use super::moments::Sometimes;
use super::plan::Family;
use super::sabotage::Sabotage;
use super::trace::{Track, Words};
use super::watched_bank::WatchedBank;
use super::which_bank::WhichBank;
use super::world::World;
use crate::store::{Crash, CrashPoint, Kept, Leftover, SimulatedStore, Tamper};

/// The result of a future that needs no time: reads of a simulated store.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("a simulated store reads at once")
}

/// Longest time of an orderly stop, in milliseconds.
const STOP_MS_MAX: u64 = 4_000;

impl World<'_> {
    pub(super) fn begin_life(&mut self, merchant: &Merchant) {
        let tamper = match self.ground.sabotage {
            Some(Sabotage::LostCompareAndSwap) => Some(Tamper::BlindWrites),
            Some(Sabotage::HoldNotVoided) => Some(Tamper::NoVoids),
            Some(Sabotage::PostedTwice) => Some(Tamper::PostTwice),
            Some(Sabotage::JournalGap) => Some(Tamper::DropEntries),
            Some(Sabotage::DirtyRead) => Some(Tamper::DirtyReads),
            _ => None,
        };
        let store = SimulatedStore::open(self.medium.clone(), Some(self.ground.clone()));
        let bank = WatchedBank::new(&self.banks, self.bank, self.ground.clone());
        let life = Life::begin(
            &self.ground,
            Store::new(Arc::new(store.tampered(tamper))),
            Arc::new(bank),
            self.front_door,
            merchant,
            self.lives,
        );
        let lives = self.lives;
        self.lives += 1;
        self.life = Some(life);
        self.restarting = false;
        self.dying = false;
        self.ground.note(Track::Service, None, lives, || {
            format!("run {lives} starts")
        });
    }

    pub(super) fn stop(&mut self) {
        let Some(life) = &mut self.life else {
            return;
        };
        if life.stopping || self.dying {
            return;
        }
        life.stop();
        let mut state = self.ground.lock();
        if state.auditor.unfinished() > 0 {
            state.happened(Sometimes::StoppedInOrder);
        }
        state.injected("stop");
        drop(state);
        self.ground
            .note(Track::Service, None, 0, || "is asked to stop".to_owned());
        self.plan_in(STOP_MS_MAX, Event::Die);
    }

    /// The process ends without warning.
    pub(super) fn crash(&mut self, point: Option<CrashPoint>) {
        if self.life.is_none() {
            return;
        }
        let mut state = self.ground.lock();
        state.injected("crash");
        match point {
            Some(CrashPoint::BeforeWrite) => state.happened(Sometimes::CrashBeforeWrite),
            Some(CrashPoint::BeforeSync) => state.happened(Sometimes::CrashBeforeSync),
            Some(CrashPoint::AfterSync) => state.happened(Sometimes::CrashAfterSync),
            None if state.auditor.unfinished() == 0 => state.happened(Sometimes::CrashWhileIdle),
            None => {}
        }
        let recovering = state.recovering.iter().any(|key| {
            state
                .auditor
                .of_key(*key)
                .is_some_and(|known| !known.standing().is_final())
        });
        if recovering {
            state.happened(Sometimes::CrashInRecovery);
        }
        let open: Vec<String> = state
            .auditor
            .payments
            .iter()
            .filter(|(_, known)| !known.standing().is_final())
            .map(|(id, _)| BankReference::of(*id).to_string())
            .collect();
        drop(state);
        if open
            .iter()
            .any(|reference| self.banks.debits_of(reference) > 0)
        {
            self.ground.lock().happened(Sometimes::CrashAfterBankAnswer);
        }
        self.ground.note(Track::World, None, 0, || {
            Words::gave_way(describe::crash(point).to_owned(), true)
        });
        self.die("is gone");
    }

    /// Ends the process at once.
    pub(super) fn die(&mut self, how: &str) {
        let Some(life) = self.life.take() else {
            return;
        };
        self.take_moments(&life);
        self.ground.life_ends();
        let at_work: Vec<Message> = life.at_work.keys().copied().collect();
        drop(life);
        self.ground.lock().answers.clear();
        let draw = self.ground.draw("kept").with(self.lives.into());
        let kept = match draw.with(1).between(0, 3) {
            0 => Kept::Nothing,
            1 => Kept::Prefix(draw.with(2).share()),
            2 => Kept::Some(draw.with(3).value()),
            _ => Kept::All,
        };
        let indexed = self.ground.draw("indexed").with(self.lives.into()).share();
        let Crash {
            leftover: left,
            index_was_behind,
        } = self.medium.crash(kept, indexed);
        if index_was_behind {
            self.ground.lock().happened(Sometimes::IndexBehind);
        }
        let moment = match left {
            Leftover::Clean => None,
            Leftover::Lost => Some(Sometimes::BatchLost),
            Leftover::Torn => Some(Sometimes::BatchTorn),
            Leftover::Whole => Some(Sometimes::BatchSurvived),
        };
        if let Some(moment) = moment {
            self.ground.lock().happened(moment);
        }
        self.ground.note(Track::Service, None, left as u8, || {
            Words::gave_way(format!("{how}; {}", describe::leftover(left)), true)
        });
        for message in at_work {
            self.broken(message);
        }
        if !self.restarting {
            self.restarting = true;
            let most = self.ground.plan.crashes.down_ms.max(20);
            let down_ms = self
                .ground
                .draw("down")
                .with(self.lives.into())
                .between(1, most);
            self.plan_in(down_ms, Event::Restart);
        }
    }

    pub(super) fn take_moments(&self, life: &Life) {
        let metrics = life.service.metrics();
        let mut state = self.ground.lock();
        if metrics.joins.get() > 0 {
            state.happened(Sometimes::Joined);
        }
        let by_cache = ByLayer {
            layer: Layer::Cache,
        };
        if metrics.replays.get_or_create(&by_cache).get() > 0 {
            state.happened(Sometimes::CacheHit);
        }
    }

    pub(super) fn restart(&mut self) {
        if self.life.is_some() {
            return;
        }
        {
            self.medium.read_frames(|content, frames| {
                let mut state = self.ground.lock();
                state.auditor.reopened(content.journal(), frames);
            });
            let mut state = self.ground.lock();
            state.recovering = state
                .auditor
                .payments
                .values()
                .filter(|known| !known.standing().is_final())
                .map(|known| known.key)
                .collect();
        }
        if self.medium.noted_time().newest > self.ground.now() {
            self.ground.lock().happened(Sometimes::ClockBehind);
        }
        self.restarts += 1;
        let Some(merchant) = self.configured() else {
            // Someone corrects the configuration.
            self.restarting = true;
            return self.plan_in(1, Event::Restart);
        };
        let resumed = self.bank_in_force().clone();
        let mut state = self.ground.lock();
        if state
            .auditor
            .payments
            .values()
            .any(|known| known.is_watched_by(&resumed))
        {
            state.happened(Sometimes::WatchResumed);
        }
        drop(state);
        self.begin_life(&merchant);
    }

    /// Draws the configuration of the next start, with its mistakes, and returns its merchant. `None` when the service
    /// refuses to start with it.
    fn configured(&mut self) -> Option<Merchant> {
        let draw = self.ground.draw("mistake").with(self.restarts);
        let mistakes = self.ground.plan.mistakes;
        let faulty = !self.healed && self.ground.plan.families.contains(&Family::Configuration);
        let other_bank = faulty && draw.with(1).happens(mistakes.other_bank);
        let renamed = faulty && draw.with(2).happens(mistakes.renamed);
        let store = Store::new(Arc::new(SimulatedStore::open(self.medium.clone(), None)));
        let with_payments = at_once(store.views.merchants()).ok()?;

        let usual = Merchant::default_merchant();
        let merchant = if renamed && !with_payments.is_empty() {
            self.ground.lock().injected("merchant_renamed");
            Merchant::new("renamed").expect("a name")
        } else {
            usual.clone()
        };
        let terms = MerchantTerms {
            active: BTreeSet::from([merchant.clone()]),
            retired: BTreeSet::new(),
        };
        let fits = check_merchants(&with_payments, &terms).is_ok();
        if !fits && !self.ground.is_sabotaged_by(Sabotage::MerchantRenamed) {
            self.refused(Sometimes::RenamedRefused, "its merchant has another name");
            return None;
        }

        let mut bank = self.bank;
        if other_bank {
            self.ground.lock().injected("other_bank");
            bank = bank.another();
        }
        if self.ground.is_sabotaged_by(Sabotage::OtherBank) {
            self.bank = bank;
            return Some(merchant);
        }
        if !self.fits(&store, bank) {
            self.refused(
                Sometimes::OtherBankRefused,
                "its payments are for another bank",
            );
            if !other_bank {
                // The change was right when it was made. Someone changes it back.
                self.bank = bank.another();
            }
            return None;
        }
        if other_bank {
            self.ground.lock().happened(Sometimes::OtherBankTaken);
        }
        self.bank = bank;
        Some(merchant)
    }

    fn fits(&self, store: &Store, bank: WhichBank) -> bool {
        let bank = self.banks.get(bank);
        let terms = BankTerms {
            name: bank.name().clone(),
            address: bank.address().clone(),
            is_stand_in: false,
            moved: false,
        };
        at_once(check_banks(store, &[terms])).is_ok()
    }

    /// Records that the service refuses to start. The trace's digest covers `why`.
    fn refused(&self, moment: Sometimes, why: &'static str) {
        self.ground.lock().happened(moment);
        self.ground.note(Track::Service, None, why, || {
            format!("refuses to start: {why}")
        });
    }
}
