//! How lives of the service begin and end.

use std::sync::Arc;

use holdfast_engine::metrics::{ByLayer, Layer};
use holdfast_engine::payment::BankReference;

use super::bank::WatchedBank;
use super::ground::Message;
use super::life::Life;
use super::sabotage::Sabotage;
use super::sometimes::Sometimes;
use super::trace::Lane;
use super::world::{Event, World};
use crate::store::{CrashPoint, Kept, Leftover, SimulatedStore, Tamper};

/// An orderly stop may take so long, in milliseconds.
const STOP_MS_MAX: u64 = 4_000;

impl World<'_> {
    pub(super) fn begin_life(&mut self) {
        let tamper = match self.ground.sabotage {
            Some(Sabotage::LostCompareAndSwap) => Some(Tamper::BlindWrites),
            Some(Sabotage::HoldNotVoided) => Some(Tamper::NoVoids),
            Some(Sabotage::PostedTwice) => Some(Tamper::PostTwice),
            Some(Sabotage::JournalGap) => Some(Tamper::DropEntries),
            Some(Sabotage::DirtyRead) => Some(Tamper::DirtyReads),
            _ => None,
        };
        let store = SimulatedStore::open(self.medium.clone(), Some(self.ground.clone()));
        let bank = WatchedBank::new(self.bank.clone(), self.ground.clone());
        let life = Life::begin(
            &self.ground,
            Arc::new(store.tampered(tamper)),
            Arc::new(bank),
            self.front_door,
            self.lives,
        );
        let lives = self.lives;
        self.lives += 1;
        self.life = Some(life);
        self.restarting = false;
        self.dying = false;
        self.ground.note(Lane::Service, None, lives, || {
            format!("life {lives} begins")
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
            .note(Lane::Service, None, 0, || "is told to stop".to_owned());
        self.plan_in(STOP_MS_MAX, Event::Die);
    }

    /// The process ends without a word.
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
            .any(|reference| self.bank.bank().debits_of(reference) > 0)
        {
            self.ground.lock().happened(Sometimes::CrashAfterBankAnswer);
        }
        self.ground.note(Lane::World, None, 0, || {
            format!(
                "CRASH {}",
                point.map_or_else(String::new, |point| format!("{point:?}"))
            )
        });
        self.die("is gone");
    }

    /// Ends the life, whatever it was doing.
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
        let left = self.medium.crash(kept);
        let moment = match left {
            Leftover::Clean => None,
            Leftover::Lost => Some(Sometimes::BatchLost),
            Leftover::Torn => Some(Sometimes::BatchTorn),
            Leftover::Whole => Some(Sometimes::BatchSurvived),
        };
        if let Some(moment) = moment {
            self.ground.lock().happened(moment);
        }
        self.ground.note(Lane::Service, None, left as u8, || {
            format!("{how}; of what was not synced: {left:?}")
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
        self.begin_life();
    }
}
