//! Credential references: where a secret is, never the secret itself.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// What the process was started with. Injected, so that tests need no environment.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The variables of the environment by their names.
    pub variables: std::collections::BTreeMap<String, String>,
    /// Secrets are not needed, so they are not looked for and stay empty.
    pub without_secrets: bool,
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn current() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { variables, without_secrets: false }
    }

    /// One variable; `None` where it is not set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

/// Reads what a reference points to. `folder` is where the configuration file is.
/// Fails with a sentence that never holds the reference's own text where that could be a secret.
pub(crate) fn resolve(
    reference: &str,
    folder: &Path,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<SecretString, String> {
    let secret = match reference.split_once(':') {
        Some(("env" | "file" | "credential", _)) if environment.without_secrets => {
            return Ok(SecretString::from(""));
        }
        Some(("env", name)) => environment
            .get(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("the environment variable {name} is not set"))?,
        Some(("file", path)) => read(&folder.join(path))?,
        Some(("credential", name)) => read(&credential(name, instance, environment)?)?,
        _ => {
            return Err("a secret is never written here: write `credential:NAME`, `file:PATH` or \
                        `env:NAME`, which says where it is"
                .to_owned());
        }
    };
    // Files end in a newline that is not part of the secret.
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(format!("{reference} is empty"));
    }
    Ok(SecretString::from(secret))
}

/// systemd's copy: of this process, or, from a root shell, of the running unit.
fn credential(
    name: &str,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<PathBuf, String> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err("a credential's name is a plain file name".to_owned());
    }
    if let Some(folder) = environment.get("CREDENTIALS_DIRECTORY") {
        return Ok(Path::new(folder).join(name));
    }
    let of = instance.map(|instance| format!("@{instance}")).unwrap_or_default();
    let unit = format!("goldthread{of}.service");
    let path = Path::new("/run/credentials").join(&unit).join(name);
    // Where that may not be looked at, reading it says so.
    if path.try_exists().unwrap_or(true) {
        return Ok(path);
    }
    Err(format!(
        "there is no credential {name}: $CREDENTIALS_DIRECTORY is not set and {unit} does not run \
         with it (see LoadCredential= in the unit)"
    ))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
