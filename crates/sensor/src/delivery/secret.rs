//! What only we and a receiver know.

use std::fmt;

use super::Settings;

/// A secret. It is shown nowhere.
#[derive(Clone)]
pub(super) struct Secret(Vec<u8>);

impl Secret {
    /// The secret of the file or the environment variable that the settings name.
    pub(super) fn of(settings: &Settings) -> Result<Option<Secret>, String> {
        let (text, from) = match (&settings.secret_file, &settings.secret_environment) {
            (Some(path), _) => {
                let text = std::fs::read(path).map_err(|error| format!("secret-file {}: {error}", path.display()))?;
                (text, path.display().to_string())
            }
            (None, Some(name)) => {
                let text = std::env::var(name)
                    .map_err(|_| format!("the environment variable {name} of secret-environment is not set"))?;
                (text.into_bytes(), name.clone())
            }
            (None, None) => return Ok(None),
        };
        let secret = text.trim_ascii().to_vec();
        if secret.is_empty() { Err(format!("the secret in {from} is empty")) } else { Ok(Some(Secret(secret))) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
