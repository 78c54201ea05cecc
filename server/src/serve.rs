//! `holdfast serve`: wiring and the life of the process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdfast_bank_simulator::faults::{FaultProfile, Range};
use holdfast_bank_simulator::{BankLedgerError, SimulatedBank, SimulatedBankOptions};
use holdfast_bank_simulator::{SIMULATED, simulated_address};
use holdfast_core::{BankName, BankReference, Merchant, OperationId, StateName};
use holdfast_engine::bank::Bank;
use holdfast_engine::clock::{Clock, SystemClock};
use holdfast_engine::fatal::FatalError;
use holdfast_engine::lanes::LaneParts;
use holdfast_engine::service::{Service, ServiceParts};
use holdfast_engine::source::SeededSource;
use holdfast_engine::startup::{BankTerms, MerchantTerms, Misfit, check_banks, check_merchants};
use holdfast_engine::store::{Filter, Query, Store};
use holdfast_local::{LocalOptions, LocalStore, OpenError};
use rand::TryRng;

use crate::accept;
use crate::api::FrontDoor;
use crate::bank_client::{BankClient, BankClientError};
use crate::causes::causes;
use crate::codes::{Code, Coded};
use crate::config::{BankSettings, ConfigError, Settings};
use crate::output;
use crate::process::{Hangups, ListenError, Signals, listen, raise_descriptor_limit};
use crate::refusal::Words;
use crate::reload::Reload;
use crate::site;
use crate::telemetry::TelemetryError;
use crate::tls::{Tls, TlsError};

/// The simulated bank's books, beside the store but no part of it.
const SIMULATED_BANK_LEDGER: &str = "simulated-bank.jsonl";

/// What the names of the simulated bank's files begin with.
const SIMULATED_BANK_FILES: &str = "simulated-bank";

/// The books are looked through by lines, and a line by pieces of at most this many bytes.
const BOOKS_PIECE_BYTES: u64 = 64 * 1024;

/// How long the service answers 503 after a fatal failure, so that probes see it, before it ends.
const FATAL_GRACE: Duration = Duration::from_secs(2);

/// Calls to the bank under way get so much more than their own time limit to end when the service
/// stops; what is cut off then resumes at the next start.
const DRAIN_SLACK: Duration = Duration::from_secs(5);

/// How long clients have to take their answers when everything else has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why the service could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error(
        "no bank is configured, so payments would go to the simulated bank, which moves no money; but this store has \
         payments that the simulated bank has never seen. Configure the bank with --bank. To use the simulated bank with this \
         store, set --bank sim"
    )]
    MaybeReal,
    #[error(transparent)]
    Bank(#[from] BankLedgerError),
    #[error(transparent)]
    BankClient(#[from] BankClientError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the operating system provides no randomness: {0}")]
    Randomness(#[from] rand::rngs::SysError),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error(
        "Holdfast has stopped: {}. Nothing that was acknowledged is lost. Check the disk that holds the data directory \
         (kernel log, free space, health), then start Holdfast again: it recovers every payment",
        causes(&**.0)
    )]
    Fatal(Arc<FatalError>),
}

impl Coded for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Config(error) => error.code(),
            Self::Telemetry(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Misfit(error) => error.code(),
            Self::MaybeReal => Code::NoBank,
            Self::Bank(error) => error.code(),
            Self::BankClient(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Listen(error) => error.code(),
            Self::Randomness(_) | Self::Signals(_) => Code::System,
            Self::Fatal(error) => error.code(),
        }
    }
}

/// Runs the service until a signal or a fatal failure.
pub(crate) async fn run(settings: Settings) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let hangups = Hangups::new().map_err(ServeError::Signals)?;
    for meaningless in &settings.meaningless {
        tracing::warn!("{meaningless}");
    }
    raise_descriptor_limit(settings.limits.connections.connections_max);
    let (listener, address) = listen(settings.listen).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut seed = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut seed)?;
    let source = Arc::new(SeededSource::new(seed));
    let store = LocalStore::open(&LocalOptions {
        directory: settings.data.clone(),
        cache_bytes: settings.store_cache_bytes,
        accept_older: settings.accept_older_store,
        neighbours: vec![SIMULATED_BANK_FILES.to_owned()],
    })?;
    let store = Store::new(Arc::new(store));
    refuse_misfit(&store, &settings).await?;
    let bank = open_bank(&settings.bank, &settings.data)?;
    let bank_timeout = Duration::from_millis(settings.lane.timeout_ms);
    let service = Service::start(ServiceParts {
        store,
        banks: vec![LaneParts {
            bank,
            options: settings.lane,
        }],
        clock: clock.clone(),
        source: source.clone(),
        options: settings.service,
    });
    let tls = settings.tls.map(Tls::new).transpose()?;
    let reload = Reload {
        file: settings.file,
        api_keys: settings.api_keys.clone(),
        retired: settings.retired,
        service: service.clone(),
        tls: tls.clone(),
    };
    tokio::spawn(reload.at_each(hangups));
    let front_door = FrontDoor::new(service.clone(), clock, source)
        .with_api_keys(settings.api_keys)
        .with_limits(settings.limits.request)
        .with_rate(settings.limits.rate);
    let endpoint = Arc::new(front_door.endpoint(&site::routes()));
    let words: Words = Arc::new(move |refused| front_door.refuse(refused));
    announce(address, tls.is_some(), &settings.data, &settings.bank);
    tokio::spawn(recover(service.clone()));

    let failure = service.failure().clone();
    let stop = async {
        tokio::select! {
            biased;
            failed = failure.wait() => {
                let error = causes(&*failed);
                tracing::error!(
                    error, code = failed.code().name(), help = %failed.code().link(),
                    "the service has failed: it answers 503 for a moment, then it stops"
                );
                tokio::time::sleep(FATAL_GRACE).await;
            }
            name = signals.next() => tracing::info!(signal = name, "shutting down"),
        }
    };
    let connections = accept::serve(
        listener,
        endpoint,
        settings.limits.connections,
        tls,
        Some(words),
        stop,
    )
    .await;

    // No new connections from here on. Whatever only waits is parked, which answers its clients.
    let drained = async {
        let closed = tokio::spawn(connections.shutdown());
        let stopped = service.shutdown().await;
        // Every answer is ready by now. A reader that does not take it, or a stream that is stuck,
        // is not waited for.
        let _ = tokio::time::timeout(LAST_WORDS, closed).await;
        stopped
    };
    let drained = tokio::select! {
        biased;
        drained = tokio::time::timeout(bank_timeout + DRAIN_SLACK, drained) => drained,
        name = signals.next() => {
            tracing::warn!(signal = name, "stopping immediately; payments in flight resume at the next start");
            Ok(Ok(()))
        }
    };
    if let Some(error) = failure.get() {
        // The store must not be dropped: that would have sled write once more to a disk that cannot
        // be trusted. The process ends at once instead.
        std::mem::forget(service);
        return Err(ServeError::Fatal(error));
    }
    match drained {
        Ok(_) => tracing::info!("stopped"),
        Err(_) => {
            tracing::warn!("some payments did not finish in time; they resume at the next start");
        }
    }
    Ok(())
}

/// Holds the bank and the merchants of the configuration against those of the store. Nothing is sent before.
async fn refuse_misfit(store: &Store, settings: &Settings) -> Result<(), ServeError> {
    let merchants = store.views.merchants().await.map_err(Misfit::from)?;
    let terms = MerchantTerms {
        active: settings.api_keys.merchants(),
        retired: settings.retired.merchants.clone(),
    };
    check_merchants(&merchants, &terms)?;
    let (name, address) = match &settings.bank {
        BankSettings::Simulated { .. } => {
            let banks = store.views.banks().await.map_err(Misfit::from)?;
            let ledger = settings.data.join(SIMULATED_BANK_LEDGER);
            // Earlier versions kept no names of banks; but the simulated one has always kept its books here.
            if !settings.bank_asked_for
                && banks.is_empty()
                && !merchants.is_empty()
                && !is_in_books(store, &merchants, &ledger).await?
            {
                return Err(ServeError::MaybeReal);
            }
            let name = BankName::new(SIMULATED).expect("the name is one");
            (name, simulated_address())
        }
        BankSettings::Http(options) => (options.name.clone(), options.address()),
    };
    let is_simulated = matches!(settings.bank, BankSettings::Simulated { .. });
    let terms = BankTerms {
        name,
        address,
        is_stand_in: is_simulated && !settings.bank_asked_for,
        moved: settings.bank_moved,
    };
    Ok(check_banks(store, &[terms]).await?)
}

/// Whether the books of the simulated bank are those that the payments were settled in: they hold the newest of them. A
/// start without a bank, long ago, leaves books beside the payments of another bank.
async fn is_in_books(
    store: &Store,
    merchants: &BTreeSet<Merchant>,
    ledger: &Path,
) -> Result<bool, ServeError> {
    let mut newest: Option<OperationId> = None;
    for merchant in merchants {
        let query = Query {
            merchant: merchant.clone(),
            filter: Filter {
                state: Some(StateName::Settled),
                ..Filter::default()
            },
            before: None,
            limit: 1,
        };
        let page = store.views.list(&query).await.map_err(Misfit::from)?;
        newest = newest.max(page.operations.first().map(|payment| payment.id));
    }
    let Ok(books) = File::open(ledger) else {
        return Ok(false);
    };
    let Some(newest) = newest else {
        return Ok(true);
    };
    let reference = BankReference::of(newest).to_string();
    let mut books = BufReader::new(books);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A file without lines is taken in pieces; the bank will refuse it.
        let mut piece = Read::by_ref(&mut books).take(BOOKS_PIECE_BYTES);
        if !piece
            .read_until(b'\n', &mut line)
            .is_ok_and(|bytes| bytes > 0)
        {
            return Ok(false);
        }
        if String::from_utf8_lossy(&line).contains(&reference) {
            return Ok(true);
        }
    }
}

fn open_bank(settings: &BankSettings, data: &Path) -> Result<Arc<dyn Bank>, ServeError> {
    Ok(match settings {
        BankSettings::Simulated {
            capability,
            latency_ms,
        } => {
            let faults = FaultProfile {
                latency_ms: Range::new(*latency_ms, *latency_ms),
                ..FaultProfile::default()
            };
            Arc::new(SimulatedBank::open(&SimulatedBankOptions {
                mode: (*capability).into(),
                faults,
                ledger: Some(data.join(SIMULATED_BANK_LEDGER)),
                ..SimulatedBankOptions::default()
            })?)
        }
        BankSettings::Http(options) => Arc::new(BankClient::new(options)?),
    })
}

async fn recover(service: Service) {
    match service.recover().await {
        Ok(0) => {}
        Ok(resumed) => tracing::info!(resumed, "unfinished payments resumed"),
        Err(reason) => {
            tracing::warn!(%reason, "recovery has stopped; it runs again at the next start");
        }
    }
}

/// Says where everything is. Standard output, so that it is seen whatever the log level. The service goes on when nobody
/// can be told.
fn announce(address: SocketAddr, tls: bool, data: &Path, bank: &BankSettings) {
    let scheme = if tls { "https" } else { "http" };
    let data = std::fs::canonicalize(data).unwrap_or_else(|_| data.to_owned());
    let bank = match bank {
        BankSettings::Simulated { latency_ms, .. } => {
            format!("SIMULATED, in this process, {latency_ms} ms a call. NO MONEY MOVES.")
        }
        BankSettings::Http(bank) => format!("{}, {} ({})", bank.name, bank.url, bank.capability),
    };
    let said = output::print_with(|out| {
        writeln!(out, "Holdfast {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "  listening on  {scheme}://{address}")?;
        writeln!(out, "  API docs      {scheme}://{address}/docs")?;
        writeln!(out, "  console       {scheme}://{address}/console")?;
        writeln!(out, "  data          {}", data.display())?;
        writeln!(out, "  bank          {bank}")
    });
    if let Err(error) = said {
        tracing::warn!(%error, %address, "cannot print the address, serving anyway");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SIMULATED_NAME;

    /// The configuration knows no simulator, but it must know the name that no other bank may have.
    #[test]
    fn the_built_in_bank_has_the_name_that_is_kept_for_it() {
        assert_eq!(SIMULATED_NAME, SIMULATED);
    }
}
