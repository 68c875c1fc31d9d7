//! What is wrong with a configuration, in a sentence.

use super::define::VERSION;

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{place}: {reason}")]
    Text { place: String, reason: String },
    #[error(
        "{place}: `version`: this is a configuration of version {found}, and this program reads version {VERSION}; start from `zonas config`"
    )]
    Version { place: String, found: i64 },
    #[error("setting `{key}`: {reason}")]
    Value { key: String, reason: String },
}

pub(super) fn value_error(key: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.into(), reason: reason.into() }
}
