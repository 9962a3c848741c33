//! A provider's discovery document (OpenID Connect Discovery 1.0), remembered.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};
use url::Url;

use super::{
    Document,
    fetch::{Asked, Fetcher, ProviderFault},
};
use crate::clock::{Clock, Timestamp};

/// How long it is believed.
const KEPT: Duration = Duration::from_hours(1);
/// How long nobody waits for a provider that has just failed.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// The document of one provider, asked for by one at a time.
pub(super) struct Discovery {
    clock: Clock,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    found: Option<(Timestamp, Arc<Document>)>,
    failed_at: Option<Timestamp>,
}

impl Discovery {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::default() }
    }

    /// The document. An old one serves on while no newer one is to be had: endpoints hardly ever move, and keys have a memory of their own.
    pub(super) async fn get(&self, fetcher: &Fetcher, issuer: &str, until: Instant) -> Result<Arc<Document>, ProviderFault> {
        let mut last = tokio::time::timeout_at(until, self.last.lock()).await.map_err(|_| ProviderFault::Slow)?;
        let now = self.clock.now();
        if let Some((at, document)) = &last.found
            && now.since(*at) < KEPT
        {
            return Ok(Arc::clone(document));
        }
        if last.failed_at.is_some_and(|at| now.since(at) < PAUSE) {
            return last.found.as_ref().map(|(_, document)| Arc::clone(document)).ok_or(ProviderFault::Lately);
        }
        match ask(fetcher, issuer, until).await {
            Ok(document) => {
                let document = Arc::new(document);
                *last = Last { found: Some((now, Arc::clone(&document))), failed_at: None };
                Ok(document)
            }
            Err(fault) => {
                last.failed_at = Some(now);
                last.found.as_ref().map(|(_, document)| Arc::clone(document)).ok_or(fault)
            }
        }
    }
}

async fn ask(fetcher: &Fetcher, issuer: &str, until: Instant) -> Result<Document, ProviderFault> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let url = Url::parse(&address).map_err(|_| ProviderFault::Nonsense("the issuer is not a URL"))?;
    let document: Document = fetcher.ask(&url, Asked::Document, until).await?.read()?;
    if document.issuer != issuer {
        return Err(ProviderFault::Nonsense("the document is of another issuer"));
    }
    document.addresses().try_for_each(|url| fetcher.check(url))?;
    Ok(document)
}
