//! A reload on SIGHUP: the API keys and the certificate, without a restart. A mistake changes nothing and is logged.

use std::path::PathBuf;

use holdfast_engine::service::Service;
use holdfast_engine::startup::{MerchantTerms, check_merchants};

use crate::api::ApiKeys;
use crate::codes::Coded;
use crate::config::{Retired, api_keys_again};
use crate::process::Hangups;
use crate::tls::Tls;

/// What a SIGHUP reloads.
pub(crate) struct Reload {
    pub(crate) file: Option<PathBuf>,
    pub(crate) api_keys: ApiKeys,
    pub(crate) retired: Retired,
    pub(crate) service: Service,
    pub(crate) tls: Option<Tls>,
}

impl Reload {
    pub(crate) async fn at_each(self, mut hangups: Hangups) {
        loop {
            hangups.next().await;
            self.now().await;
        }
    }

    /// New API keys are valid, removed ones are not; new connections get the new certificate.
    async fn now(&self) {
        if let Some(tls) = &self.tls {
            match tls.read_again() {
                Ok(()) => tracing::info!("the certificate was reloaded"),
                Err(error) => tracing::error!(
                    %error, code = error.code().name(), help = %error.code().link(),
                    "the new certificate cannot be used; the old one stays in use"
                ),
            }
        }
        let Some(file) = &self.file else {
            return tracing::warn!("SIGHUP ignored: there is no configuration file to reload");
        };
        let (api_keys, retired) = match api_keys_again(file, &self.api_keys, &self.retired) {
            Ok(again) => again,
            Err(error) => {
                return tracing::error!(
                    %error, code = error.code().name(), help = %error.code().link(),
                    "the API keys cannot be reloaded; the old ones stay in use"
                );
            }
        };
        let terms = MerchantTerms {
            active: api_keys.merchants(),
            retired: retired.merchants,
        };
        match self.service.merchants().await {
            Ok(merchants) => match check_merchants(&merchants, &terms) {
                Ok(()) => {
                    self.api_keys.replace(&api_keys);
                    tracing::info!(keys = api_keys.len(), "the API keys were reloaded");
                }
                Err(error) => tracing::error!(
                    %error, code = error.code().name(), help = %error.code().link(),
                    "the API keys cannot be reloaded; the old ones stay in use"
                ),
            },
            Err(error) => tracing::error!(
                %error,
                "the API keys cannot be reloaded; the old ones stay in use"
            ),
        }
    }
}
