//! How a receiver knows that an alert comes from us and is fresh.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The signature of a body that is sent at that time (seconds since 1970): `t=TIME,v1=HEX`, where HEX is the HMAC-SHA256
/// (RFC 2104) of `TIME.BODY` under the secret.
///
/// ```
/// let signature = sensor::delivery::signature(b"secret", 1_700_000_000, "{}");
/// assert_eq!(signature, "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163");
/// ```
pub fn signature(secret: &[u8], seconds: u64, body: &str) -> String {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret) else { unreachable!("HMAC takes keys of any length") };
    let code = mac.chain_update(seconds.to_string()).chain_update(".").chain_update(body).finalize().into_bytes();
    let hex: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}
