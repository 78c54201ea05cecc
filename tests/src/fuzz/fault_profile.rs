//! What is to go wrong at the simulated bank, as people write it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_bank_simulator::faults::FaultProfile;
use holdfast_bank_simulator::{Bank, Charge, Mode};
use holdfast_bank_simulator::{ChargeTerms, SimulatedBankOptions};

/// Milliseconds between one call to the bank and the next.
const STEP_MS: u64 = 60_000;

/// Reads the input as JSON and as TOML. A profile that is taken must be shown as one that is taken for the same,
/// and a bank must be able to live by it.
///
/// # Panics
/// When one of these does not hold.
pub fn fault_profile(input: &[u8]) {
    let json = serde_json::from_slice::<FaultProfile>(input).ok();
    let text = std::str::from_utf8(input).ok();
    let toml = text.and_then(|text| toml::from_str::<FaultProfile>(text).ok());
    for profile in [json, toml].into_iter().flatten() {
        let shown = serde_json::to_string(&profile).expect("a profile can be shown");
        let read = serde_json::from_str::<FaultProfile>(&shown);
        assert_eq!(read.expect("what was shown can be read"), profile);
        for mode in [Mode::Keyed, Mode::InquiryOnly, Mode::Neither] {
            live_by(&profile, mode);
        }
    }
}

fn live_by(profile: &FaultProfile, mode: Mode) {
    let time = Arc::new(AtomicU64::new(0));
    let options = SimulatedBankOptions {
        mode,
        faults: profile.clone(),
        seed: 7,
        time: Some(time.clone()),
        ..SimulatedBankOptions::default()
    };
    let bank = Bank::open(&options).expect("books in memory can be opened");
    for number in 0..12 {
        let charge = Charge {
            bank_reference: format!("hf_{}", number % 3),
            terms: ChargeTerms {
                amount: 1999,
                currency: "EUR".into(),
                debtor: "acct_alice".into(),
                creditor: "acct_shop".into(),
            },
        };
        let reaction = bank.charge(&charge).expect("the terms are the same");
        if let Some((_, deferred)) = reaction.later {
            bank.process_late(&deferred);
        }
        bank.inquire(&charge.bank_reference);
        time.fetch_add(STEP_MS, Ordering::Relaxed);
    }
    let debits = bank.audit(0, 10).0;
    let debits: u32 = debits.iter().map(|line| line.debits).sum();
    assert_eq!(u64::from(debits), bank.debits());
    bank.injected();
}
