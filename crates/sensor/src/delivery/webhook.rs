//! A web hook: one POST an alert.

use std::time::{SystemTime, UNIX_EPOCH};

use flow::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use super::secret::Secret;
use super::signature::signature;
use super::{Failure, Settings, tls};

/// A receiver of POST requests.
#[derive(Debug)]
pub(super) struct Webhook {
    url: String,
    agent: Agent,
    secret: Option<Secret>,
}

impl Webhook {
    pub(super) fn new(settings: &Settings, timeout: Duration) -> Result<Webhook, String> {
        let mut security =
            TlsConfig::builder().provider(TlsProvider::Rustls).unversioned_rustls_crypto_provider(tls::provider());
        if settings.address.starts_with("https:") {
            let authorities = tls::authorities(settings)?;
            let authorities = authorities.iter().map(|der| Certificate::from_der(der).to_owned());
            security = security.root_certs(RootCerts::from(authorities));
            if let Some((chain, _)) = tls::own(settings)? {
                let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
                let key = settings.key_file.as_deref().map(std::fs::read).transpose();
                let key = key.map_err(|error| error.to_string())?.unwrap_or_default();
                let key = PrivateKey::from_pem(&key).map_err(|error| error.to_string())?;
                security = security.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
            }
        }
        let config = Agent::config_builder()
            .tls_config(security.build())
            .timeout_global(Some(timeout))
            // A signed alert goes to the address that was configured, and to no other.
            .max_redirects(0)
            .proxy(None)
            .http_status_as_error(false)
            .max_idle_age(Duration::from_secs(15))
            .user_agent(concat!("lapwing/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Webhook { url: settings.address.clone(), agent: config.into(), secret: Secret::of(settings)? })
    }

    /// Sends a body; the key is the same whenever the same change of the same alert is sent.
    pub(super) fn post(&mut self, body: &str, kind: &str, key: &str) -> Result<String, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut request = self.agent.post(&self.url).header("content-type", kind).header("idempotency-key", key);
        if let Some(secret) = &self.secret {
            request = request.header("lapwing-signature", signature(secret.bytes(), now.as_secs(), body));
        }
        let mut response = request.send(body).map_err(Failure::later)?;
        let status = response.status();
        let after = retry_after(response.headers(), now);
        let said = response.body_mut().with_config().limit(MOST_SAID).read_to_string().unwrap_or_default();
        let said = if said.trim().is_empty() { String::new() } else { format!(": {}", flow::printable(said.trim())) };
        let reason = format!("{status}{said}");
        match status {
            status if status.is_success() => Ok(reason),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Failure::Refused(reason))
            }
            _ => Err(Failure::Later { reason, after }),
        }
    }
}

/// How long the receiver asks to be left alone: seconds, or a moment (RFC 9110 s.10.2.3); an hour at most.
fn retry_after(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let moment = chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp();
            Duration::from_secs(u64::try_from(moment).ok()?).saturating_sub(now)
        }
    };
    Some(wait.min(Duration::from_secs(3600)))
}

/// The most of an answer that is read, bytes.
const MOST_SAID: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_say_how_long_it_wants_to_be_left_alone() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            retry_after(&headers, Duration::from_secs(784_111_777 - 30))
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(of("99999999"), Some(Duration::from_secs(3600)));
        assert_eq!(of("soon"), None);
    }
}
